"""The table of decision 7, and the places in the source where it holds."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "objlib"
DECISION = ROOT / "docs" / "decisions" / "0007-which-operator-does-what.md"

_LINE = re.compile(r"\| (?P<demand>[^|]*?) ?\| `(?P<operator>[^`|]+)` \| `(?P<module>[^`|]+)` \|")


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """One line of the table: a demand, the operator that meets it, and the module that uses it."""

    demand: str
    operator: str
    module: str

    def places(self) -> list[str]:
        """`path:line: source` of each call; an import is none, nor is a mention in a text."""
        module = SOURCE / self.module
        if not module.is_file():
            return []
        source = module.read_text("utf-8")
        lines = source.splitlines()
        numbers = sorted({node.lineno for node in _calls(source) if self._is_called_by(node)})
        return [f"src/objlib/{self.module}:{n}: {lines[n - 1].strip()}" for n in numbers]

    def _is_called_by(self, node: ast.Call | ast.Await) -> bool:
        awaited = self.operator.removeprefix("await ")
        if isinstance(node, ast.Await):
            is_call = isinstance(node.value, ast.Call)
            return is_call and awaited != self.operator and _name(node.value) == awaited
        return _name(node) == self.operator


def _calls(source: str) -> list[ast.Call | ast.Await]:
    nodes = ast.walk(ast.parse(source))
    return [node for node in nodes if isinstance(node, ast.Call | ast.Await)]


def _name(node: ast.expr) -> str:
    """The last word of the name that is called."""
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def fulfilments() -> list[Fulfilment]:
    """The lines of the table; one without a demand of its own goes on with the last one's."""
    lines: list[Fulfilment] = []
    for found in _LINE.finditer(DECISION.read_text("utf-8")):
        demand = found["demand"] or lines[-1].demand
        lines.append(Fulfilment(demand, found["operator"], found["module"]))
    return lines
