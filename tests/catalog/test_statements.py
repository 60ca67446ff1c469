"""The statements that both engines share say nothing that SQLite alone understands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import objlib.catalog
from objlib.catalog.queries import marks

CATALOG = Path(objlib.catalog.__file__).parent
#: What `catalog/sqlite/` may say, and no module beside it.
SQLITE_ONLY = {
    "a schema's name": r"\btemp\.|\bmain\.|sqlite_",
    "rowid": r"(?i)\b_?rowid_?\b",
    "INSERT OR …": r"\b(INSERT|UPDATE) OR\b|\bREPLACE INTO\b",
    "a LIKE whose case counts in one engine": r"(?<!LOWER\(file_path\)|LOWER\(mime_type\)) LIKE\b",
    "GLOB, MATCH, REGEXP": r"\b(GLOB|MATCH|REGEXP)\b",
    "IN () with nothing in it": r"\bIN \((\)|\{(?!marks\())",
    "a count of changes": r"\b(changes|total_changes|last_insert_rowid)\(",
    "JSON": r"\bjson_\w+\(|->>?",
    "a moment": r"\b(strftime|julianday|unixepoch|datetime|date|time)\(|CURRENT_TIMESTAMP",
    "a function": r"\b(ifnull|iif|typeof|printf|instr|group_concat|total|hex|quote|char|unicode)\(",
    "the smaller of two by MIN": r"\b(MIN|MAX)\([^()]*,",
    "an order to the engine": r"\b(PRAGMA|ATTACH|VACUUM|AUTOINCREMENT|STRICT|INDEXED BY|BEGIN)\b",
    "IS between values": r"\bIS (NOT )?(\?|\{|(?!NULL|NOT|DISTINCT)[a-z])",
    "a number as a truth": r"\b(WHERE|AND|OR|NOT) is_(deleted|taken)\b(?! *[=<])",
    "a collation": r"\bCOLLATE\b",
    "== or a quote of its own": r"==|`",
    "LIMIT with two numbers or none": r"\bLIMIT (-|\?,)",
}


#: Module -> what it may say all the same, and why.
ALLOWED = {
    # Counts the items of lists in JSON; an engine that keeps metadata as its own type has its own.
    "facets.py": {"JSON"},
    # The same, and `instr`, by which a row is passed over before its JSON is parsed.
    "selections.py": {"JSON", "a function"},
}


def texts(module: Path) -> Iterator[str]:
    """Every text of a module that is no docstring; what is filled in stands in braces."""
    tree = ast.parse(module.read_text("utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in ast.walk(node) if part is not node}
            yield "".join(map(as_written, node.values))
        elif isinstance(node, ast.Constant) and id(node) not in silent | inner:
            yield str(node.value)


def as_written(part: ast.expr) -> str:
    """A piece of an f-string: text, or what is filled in, in braces."""
    if isinstance(part, ast.FormattedValue):
        return f"{{{ast.unparse(part.value)}}}"
    return str(ast.literal_eval(part))


STATEMENTS = [
    (module.name, text)
    for module in sorted(CATALOG.glob("*.py"))
    for text in texts(module)
    if re.search(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|WHERE|AND|OR|CASE|IN)\b", text)
]


@pytest.mark.parametrize("construct", SQLITE_ONLY)
def test_no_shared_statement_uses(construct: str) -> None:
    """It belongs into `catalog/sqlite/`, behind the protocol; or there is a portable way."""
    found = [
        said
        for said in STATEMENTS
        if re.search(SQLITE_ONLY[construct], said[1]) and construct not in ALLOWED.get(said[0], ())
    ]
    assert found == []


def test_the_statements_are_found_at_all() -> None:
    """Those of every module, and with what is filled in."""
    assert len(STATEMENTS) > 100
    modules = {name for name, _ in STATEMENTS}
    assert {"queries.py", "verdicts.py", "found.py", "writes.py"} <= modules
    assert any("IN ({marks(" in text for _, text in STATEMENTS)


@pytest.mark.parametrize(
    ("construct", "said"),
    [
        ("a schema's name", "DROP TABLE IF EXISTS temp.found"),
        ("rowid", "CREATE TABLE x (y TEXT PRIMARY KEY) WITHOUT ROWID"),
        ("INSERT OR …", "INSERT OR IGNORE INTO files"),
        ("a LIKE whose case counts in one engine", "WHERE file_path LIKE ?"),
        ("IN () with nothing in it", "WHERE key IN ({holes})"),
        ("IS between values", "upload_key IS ?"),
        ("the smaller of two by MIN", "SELECT MAX(a, b)"),
        ("a number as a truth", "WHERE library = ? AND NOT is_taken"),
    ],
)
def test_the_constructs_are_recognised(construct: str, said: str) -> None:
    """Each of these stood in a statement once, or could have."""
    assert re.search(SQLITE_ONLY[construct], said)


def test_in_with_no_value_is_a_statement_of_any_engine() -> None:
    """Nothing is in it."""
    assert marks([]) == "NULL"
    assert marks("ab") == "?, ?"
