"""Every small change that can be made to a module: one mutant each.

The usual operators (a statement is left out, a condition is fixed, a comparison is moved by one, an
argument becomes None, …), applied wherever they fit: in closures, lambdas, coroutines, class bodies
and defaults alike. Types and docstrings are left alone, since nothing at run time reads them.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

#: Operator -> what it is exchanged for: the bound moved by one, and the opposite.
EXCHANGES: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}

KEPT = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)


@dataclass(frozen=True)
class Mutant:
    """One change.

    Args:
        line: where.
        scope: names of the definitions around it, outermost first.
        in_function: False for what runs at import: any test may notice it.
        change: the line before and after, numbered where the same change can be made twice.
        code: the whole module with the change made.
    """

    line: int
    scope: str
    in_function: bool
    change: str
    code: CodeType

    def __str__(self) -> str:
        return f"{self.scope or '(module)'}: {self.change}"


def mutants(source: str, path: str) -> Iterator[Mutant]:
    """All mutants of a module, from its first line to its last."""
    module = ast.parse(source)
    times: Counter[str] = Counter()
    for holder, key, node, scopes, statement in _places(module, [], module):
        before = _first_line(statement)
        for variant in _variants(node):
            if ast.dump(variant) == ast.dump(node):
                continue
            _put(holder, key, ast.fix_missing_locations(ast.copy_location(variant, node)))
            after = _first_line(variant if statement is node else statement)
            code = _compiled(module, path)
            _put(holder, key, node)
            if code is None:
                continue
            scope, change = ".".join(within.name for within in scopes), f"`{before}` → `{after}`"
            times[scope + change] += 1
            nth = times[scope + change]
            yield Mutant(
                getattr(node, "lineno", getattr(statement, "lineno", 0)),
                scope,
                any(not isinstance(within, ast.ClassDef) for within in scopes),
                change if nth == 1 else f"{change} ({nth})",
                code,
            )


def _compiled(module: ast.Module, path: str) -> CodeType | None:
    try:
        return compile(module, path, "exec")
    except SyntaxError:  # a `nonlocal` without its variable
        return None


def _places(node: Any, scopes: list[Any], statement: Any) -> Iterator[tuple[Any, ...]]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for key, child in enumerate(value) if isinstance(value, list) else [(name, value)]:
            match child:
                case ast.Expr(value=ast.Constant()) | ast.expr_context():
                    continue
                case ast.Assign(value=ast.Call(func=ast.Name("TypeVar"))):
                    continue
                case ast.Assign(value=ast.Subscript(value=ast.Name("Callable"))):
                    continue
                case ast.stmt() | ast.excepthandler() | ast.match_case():
                    within = child
                case ast.AST():
                    within = statement
                case _:
                    continue
            yield value if isinstance(value, list) else node, key, child, scopes, within
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            yield from _places(child, [*scopes, child] if named else scopes, within)


def _put(holder: Any, key: Any, node: ast.AST) -> None:
    if isinstance(holder, list):
        holder[key] = node
    else:
        setattr(holder, key, node)


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).strip().splitlines()[0]


def _with(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _variants(node: Any) -> Iterator[Any]:
    yield from (other() for other in EXCHANGES.get(type(node), ()))
    none, nothing = ast.Constant(None), ast.Constant(False)
    match node:
        case ast.Return(value=ast.expr()):
            yield ast.Return(none)
        case ast.stmt() if not isinstance(node, KEPT):
            yield ast.Pass()
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=str(value)):
            yield ast.Constant(f"{value}?")
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield node.operand
        case ast.BoolOp():
            yield from node.values
        case ast.ExceptHandler():
            yield _with(node, type=ast.Tuple([], ast.Load()))
        case ast.match_case():
            yield _with(node, guard=nothing)
        case ast.Lambda():
            yield _with(node, body=none)
        case ast.Name(id="min" | "max" as name):
            yield ast.Name("max" if name == "min" else "min", node.ctx)
        case ast.Call(func=ast.Name("cast"), args=[target, value]):
            yield _with(node, args=[target, none])
        case ast.Call(args=args, keywords=keywords):
            for n in range(len(args)):
                yield _with(node, args=[*args[:n], none, *args[n + 1 :]])
            for n in range(len(keywords)):
                yield _with(node, keywords=[*keywords[:n], *keywords[n + 1 :]])
    match node:
        case ast.If() | ast.While() | ast.IfExp():
            yield from (_with(node, test=nothing), _with(node, test=ast.Constant(True)))
        case ast.Assign() | ast.AnnAssign(value=ast.expr()) | ast.NamedExpr():
            if not isinstance(node.value, ast.Constant):
                yield _with(node, value=none)
        case ast.Try(finalbody=[_, *_]):
            yield _with(node, finalbody=[ast.Pass()])
        case ast.FunctionDef(decorator_list=[_, *_]) | ast.ClassDef(decorator_list=[_, *_]):
            yield _with(node, decorator_list=[])
