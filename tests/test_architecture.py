"""The arrows between packages, and which module alone may do what."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import objlib

SOURCE = Path(__file__).parents[1] / "src" / "objlib"
MODULES = sorted(SOURCE.rglob("*.py"))

#: The storeys of section 3 of the design, from the ground up. A package or top-level module imports
#: what lies on the storeys below its own, and itself.
STOREYS: tuple[tuple[str, ...], ...] = (
    ("errors", "waits", "values", "privacy", "redaction", "threads", "language"),
    ("states",),
    ("reactive", "formats"),
    ("catalog", "congestion"),
    ("library", "gemini"),
    ("config", "documents"),
    ("upload",),
    ("sync", "search", "telemetry"),
    ("backend",),
    ("service",),
    ("cli", "web", "mcp"),
)
#: What stands beside: package -> what it may import.
BESIDE = {"filestore": {"formats", "language", "privacy"}}
#: Starts the command line; names the public face.
ENTRANCES = {"__main__", "__init__"}


def allowed_for(package: str) -> set[str]:
    """The packages and modules that a package may import."""
    if package in BESIDE:
        return {package} | BESIDE[package]
    storey = next(number for number, names in enumerate(STOREYS) if package in names)
    below = {name for names in STOREYS[:storey] for name in names}
    if package == "backend":
        below |= {"filestore"}
    return below | {package}


def imports_of(module: Path) -> set[str]:
    """The dotted names below `objlib.` that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("objlib"):
            prefix = node.module.removeprefix("objlib").lstrip(".")
            names |= {f"{prefix}.{alias.name}".lstrip(".") for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {
                alias.name.removeprefix("objlib.")
                for alias in node.names
                if alias.name.startswith("objlib.")
            }
    return names


def package_of(module: Path) -> str:
    """The package below `objlib` that a module is in, or its own name."""
    return module.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("package", sorted({package_of(module) for module in MODULES} - ENTRANCES))
def test_dependencies_point_downwards(package: str) -> None:
    """A package imports only what stands below it; front ends also the public names."""
    allowed = allowed_for(package)
    public = set(objlib.__all__) if package in STOREYS[-1] else {"__version__"}
    for module in MODULES:
        if package_of(module) != package:
            continue
        for name in imports_of(module):
            top = name.split(".")[0]
            fits = top in allowed | started_by(module) or name in public
            assert fits, f"{module.name} imports objlib.{name}"


def started_by(module: Path) -> set[str]:
    """The front end that a command of its name starts: `cli/web.py` starts `web`."""
    parts = module.relative_to(SOURCE).parts
    return {module.stem} & set(STOREYS[-1]) if parts[0] == "cli" else set()


def modules_matching(pattern: str, *folders: str) -> set[str]:
    """The modules whose source matches, as paths below `src/objlib`."""
    regex = re.compile(pattern)
    return {
        module.relative_to(SOURCE).as_posix()
        for module in MODULES
        if (not folders or module.relative_to(SOURCE).parts[0] in folders)
        and regex.search(module.read_text("utf-8"))
    }


#: What a front end may import besides itself and the public names of `objlib`.
FRONT_DOORS = {"service", "config", "errors", "telemetry"}


@pytest.mark.parametrize("package", STOREYS[-1])
def test_a_front_end_knows_the_service_and_nothing_behind_it(package: str) -> None:
    """Whatever it needs of a lower package, the service gives it or a public name does."""
    for module in MODULES:
        if package_of(module) == package:
            allowed = {package, *FRONT_DOORS, *started_by(module)}
            for name in imports_of(module) - set(objlib.__all__):
                top = name.split(".")[0]
                assert top in allowed, f"{module.name} imports objlib.{name}"


def test_only_the_backend_choice_imports_the_server() -> None:
    """`objlib.filestore` is imported in one place outside itself."""
    importers = {
        module.relative_to(SOURCE).as_posix()
        for module in MODULES
        if any(name.startswith("filestore") for name in imports_of(module))
    }
    outside = {path for path in importers if not path.startswith("filestore/")}
    assert outside == {"backend.py"}


def test_the_core_knows_no_flag_and_no_command() -> None:
    """Only front ends name what is typed; each has words of its own."""
    typed = re.compile(r"(?<![-\w])--[a-z]|`objlib [a-z]")
    naming = set()
    for module in MODULES:
        if package_of(module) in STOREYS[-1]:
            continue
        tree = ast.parse(module.read_text("utf-8"))
        # A text that stands alone is a docstring.
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            match node:
                case ast.Constant(value=str(text)) if id(node) not in docstrings:
                    if typed.search(text):
                        naming.add(f"{module.relative_to(SOURCE).as_posix()}: {text}")
    assert naming == set()


def test_only_the_client_and_its_error_table_import_the_sdk() -> None:
    """google-genai is called in one module and its errors are translated in one."""
    pattern = r"(?m)^\s*(from google|import google)"
    assert modules_matching(pattern) == {"gemini/client.py", "gemini/wire_errors.py"}


def test_the_sdk_is_loaded_when_a_backend_is_connected_to() -> None:
    """Not before: it takes half a second, and most of what people type asks nobody."""
    code = (
        "import importlib, sys\n"
        "from objlib import Library\n"
        "from objlib.cli.main import COMMANDS\n"
        "for module, _ in COMMANDS.values(): importlib.import_module(module)\n"
        "print([name for name in sys.modules if name.startswith('google.genai')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", ["status", "failures", "history", "config", "init"])
def test_what_asks_nobody_loads_neither_operators_nor_pydantic(command: str) -> None:
    """Each of them takes longer to load than such a command takes in all."""
    code = (
        "import importlib, sys\n"
        f"importlib.import_module('objlib.cli.{command}')\n"
        "import objlib.service.view\n"
        "print([name for name in sys.modules if name in ('reactivex', 'pydantic', 'lxml')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_only_the_telemetry_imports_opentelemetry() -> None:
    """Nothing else names it: it subscribes, and costs nothing where nobody wants it."""
    pattern = r"(?m)^\s*(from|import) opentelemetry"
    importers = modules_matching(pattern)
    assert importers
    assert all(path.startswith("telemetry/") for path in importers)
    assert "telemetry/__init__.py" not in importers


def test_only_the_state_manager_writes_gemini_state() -> None:
    """No other module names the column on the left of an assignment, in SQL or in a mapping."""
    pattern = r"SET\s+gemini_state|\"gemini_state\":\s|gemini_state\s*=\s*\?\s*,"
    assert modules_matching(pattern) == {"upload/state.py"}


SQL = re.compile(
    r"\b(SELECT .+ FROM|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TEMP |UNIQUE )?"
    r"(TABLE|INDEX|TRIGGER)|DROP (TABLE|INDEX|TRIGGER)|PRAGMA \w|BEGIN IMMEDIATE)\b",
    re.DOTALL,
)


def test_only_the_catalog_speaks_sql() -> None:
    """A statement outside `catalog/` would be one that another engine does not know."""
    speakers = set()
    for module in MODULES:
        texts = (
            node.value
            for node in ast.walk(ast.parse(module.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        if any(SQL.search(text) for text in texts):
            speakers.add(package_of(module))
    assert speakers == {"catalog", "filestore"}  # the server has a database of its own


PIPELINE = ("upload", "documents", "gemini", "congestion")


def test_upload_is_made_of_operators() -> None:
    """Time, concurrency and retries in the pipeline are operators, never asyncio primitives."""
    pattern = (
        r"asyncio\.(Semaphore|gather|Event|wait_for|sleep|Queue|TaskGroup)"
        r"|AsyncRetrying|TryAgain|tenacity"
    )
    assert modules_matching(pattern, *PIPELINE) == set()


def test_only_the_bridge_touches_asyncio() -> None:
    """The bridge from coroutines to observables lives in one module."""
    importers = modules_matching(r"(?m)^\s*import asyncio", "reactive", *PIPELINE)
    assert importers == {"reactive/bridge.py"}


def test_only_the_bridge_defines_a_scheduler() -> None:
    """Nobody else builds an asyncio scheduler, whose clock would be the wall's."""
    assert modules_matching(r"AsyncIOScheduler") == {"reactive/bridge.py"}


def test_every_package_has_its_line_in_the_page_on_architecture() -> None:
    """The page names each package and top-level module once, with its concern."""
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    table = {
        name
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z]+)`", line.split("|")[1])
    }
    assert {package_of(module) for module in MODULES} - ENTRANCES <= table


#: Prints, writes to a standard stream, or asks: as a call of that name.
PRINTING = re.compile(
    r"(print|input|breakpoint|(\w+\.)*_?(console|notices|screen|rich)\.(print|out|log|input)"
    r"|click\.(echo|secho|echo_via_pager|confirm|prompt|pause|getchar|progressbar|style|clear)"
    r"|traceback\.print_\w+|faulthandler\.\w+|getpass\.\w+|os\.write|logging\.StreamHandler"
    r"|(\w+\.)*(Console|Live|Prompt|Confirm)|error\.show|sys\.(displayhook|excepthook))"
)
#: Draws with colours; the rest goes through the terminal. The reader of a document has a pipe.
PRINTERS = {"cli/terminal.py", "cli/screen.py", "formats/__main__.py", "formats/guard.py"}


def test_one_place_prints() -> None:
    """Nothing else of objlib calls what prints, and nothing else touches a standard stream."""
    printing = set()
    for module in MODULES:
        name = module.relative_to(SOURCE).as_posix()
        if name in PRINTERS:
            continue
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            match node:
                case ast.Call(func=called) if PRINTING.fullmatch(ast.unparse(called)):
                    printing.add(f"{name}:{node.lineno}: {ast.unparse(called)}")
                case ast.Attribute(value=ast.Name("sys"), attr="stdout" | "stderr" | "stdin"):
                    printing.add(f"{name}:{node.lineno}: {ast.unparse(node)}")
                case ast.ImportFrom(module="click" | "rich" | "sys", names=names):
                    for alias in names:
                        if alias.name in ("echo", "secho", "confirm", "prompt", "print", "stdout"):
                            printing.add(f"{name}:{node.lineno}: {alias.name}")
    assert printing == set()


@pytest.mark.parametrize(
    "code", ["print(1)", "click.echo(1)", "self._notices.print(1)", "sys.stderr.write(1)"]
)
def test_what_prints_is_found(code: str) -> None:
    """The rule before this one would see it."""
    (node,) = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    called = ast.unparse(node.func)
    assert PRINTING.fullmatch(called) or called.startswith("sys.std")


def test_one_module_cleans() -> None:
    """Escapes for what a text may not have are made in one place."""
    pattern = r"isprintable|unicode_escape|backslashreplace"
    assert modules_matching(pattern, "cli") == {"cli/cleaning.py", "cli/terminal.py"}


LINES_MAX = 450


def test_no_module_is_longer_than_one_concern() -> None:
    """A module past 450 lines holds two concerns."""
    lengths = {
        module.relative_to(SOURCE).as_posix(): module.read_text("utf-8").count("\n")
        for module in MODULES
    }
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}
