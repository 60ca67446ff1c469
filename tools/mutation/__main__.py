"""Run the tests of a module against every mutant of it, and report the mutants that survive.

    python -m tools.mutation [module …]        all targets without an argument

The tree is copied first; a mutant is compiled in memory and imported instead of the module, in a
process of its own. Per mutant run only the tests that enter the function it is in, the quickest
first, up to the first failure. A mutant that makes a test take several times its time is killed.
Survivors that `docs/testing.md` names are equivalent to the original; any other fails the run.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import hypothesis
import pytest
import reactivex.testing  # noqa: F401  imported once, here, and not in every process
from tools.mutation.mutants import Mutant, mutants

#: The tests of the operators. Those of one module use the others, so each mutant meets them all.
OPERATORS = ["tests/reactive"]

#: Module -> the tests that are about it.
TARGETS = {
    "src/objlib/reactive/bridge.py": OPERATORS,
    "src/objlib/reactive/demand.py": OPERATORS,
    "src/objlib/reactive/latch.py": ["tests/reactive/test_latch.py"],
    "src/objlib/reactive/pacing.py": OPERATORS,
    "src/objlib/reactive/retry.py": OPERATORS,
    "src/objlib/upload/_operators.py": OPERATORS,
    "src/objlib/congestion/feed.py": ["tests/congestion/test_gate.py"],
    "src/objlib/congestion/outcomes.py": [
        "tests/congestion/test_gate.py",
        "tests/congestion/test_pressure_mutants.py",
    ],
    "src/objlib/congestion/controllers.py": [
        "tests/congestion/test_controllers.py",
        "tests/congestion/test_pressure.py",
        "tests/congestion/test_pressure_mutants.py",
    ],
    "src/objlib/congestion/pressure.py": [
        "tests/congestion/test_gate.py",
        "tests/congestion/test_pressure.py",
        "tests/congestion/test_pressure_mutants.py",
    ],
}
PROCESSES = os.cpu_count() or 1
ROOT = Path(__file__).parents[2]
REPORT = Path("profile.json")


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant where the module is asked for."""

    def __init__(self, name: str, code: CodeType) -> None:
        self.name = name
        self.code = code

    def find_spec(self, fullname: str, *_: Any) -> Any:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


class Profile:
    """Notes for each test which outermost definitions of the target it enters, and its time."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.tests: dict[str, tuple[float, list[str]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        entered: dict[str, None] = {}

        def note(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename.endswith(self.target):
                entered[frame.f_code.co_qualname.split(".")[0]] = None

        began_s = time.process_time()
        sys.setprofile(note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            self.tests[item.nodeid] = (time.process_time() - began_s, list(entered))

    def pytest_sessionfinish(self) -> None:
        REPORT.write_text(json.dumps(self.tests))


class Selection:
    """Runs the tests that may notice, the quickest first, each within its time."""

    def __init__(self, profile: dict[str, tuple[float, list[str]]], mutant: Mutant) -> None:
        outermost = mutant.scope.split(".")[0]
        self.seconds = {
            test: seconds
            for test, (seconds, entered) in profile.items()
            if outermost in entered or not mutant.in_function
        }

    @property
    def modules(self) -> list[str]:
        """The test modules to collect; all the others need not even be imported."""
        return sorted({test.split("::")[0] for test in self.seconds})

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self.seconds]
        items[:] = sorted(chosen, key=lambda item: self.seconds[item.nodeid])

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        # Processor time: a busy machine kills nothing. Nobody handles the signal: it is the end.
        signal.setitimer(signal.ITIMER_VIRTUAL, 2.0 + 3 * self.seconds[item.nodeid])


def in_process(tests: list[str], plugin: object, *, finder: Instead | None = None) -> int:
    """Start the tests in a process of their own; its id."""
    process = os.fork()
    if process:
        return process
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        if finder is not None:
            os.dup2(silent, 2)
            sys.meta_path.insert(0, finder)
            signal.alarm(120)
            resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests], [plugin]))
    finally:
        os._exit(70)


def survivors(target: str, tests: list[str], progress: Callable[[str], None]) -> list[Mutant]:
    """The mutants of one module that no test notices."""
    _, status = os.waitpid(in_process(tests, Profile(target)), 0)
    if status:
        raise SystemExit(f"the tests of {target} fail without any mutant")
    profile = json.loads(REPORT.read_text())
    name = target.removeprefix("src/").removesuffix(".py").replace("/", ".")
    running: dict[int, Mutant] = {}
    survived: list[Mutant] = []
    total = 0

    def collect() -> None:
        process, status = os.wait()
        mutant = running.pop(process)
        if os.waitstatus_to_exitcode(status) in (0, 5):
            survived.append(mutant)
            progress(f"  line {mutant.line}: {mutant}")

    for mutant in mutants(Path(target).read_text(), target):
        if len(running) == PROCESSES:
            collect()
        selection, finder = Selection(profile, mutant), Instead(name, mutant.code)
        process = in_process(selection.modules or tests, selection, finder=finder)
        running[process] = mutant
        total += 1
    while running:
        collect()
    progress(f"{target}: {total} mutants, {total - len(survived)} killed")
    return survived


def main(chosen: list[str]) -> int:
    """Copy the tree, go through the targets; 1 when a survivor is not documented."""
    began_s = time.monotonic()
    documented = (ROOT / "docs/testing.md").read_text()
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    hypothesis.settings.load_profile("mutation")
    unknown = 0
    with tempfile.TemporaryDirectory() as copy:
        for part in ("src", "tests"):
            shutil.copytree(ROOT / part, Path(copy, part))
        shutil.copy(ROOT / "pyproject.toml", copy)
        os.chdir(copy)
        sys.path[:0] = [copy, f"{copy}/src"]
        for target, names in TARGETS.items():
            if not chosen or Path(target).stem in chosen:
                left = survivors(target, names, report)
                unknown += sum(str(mutant) not in documented for mutant in left)
    report(f"{unknown} survivors not in docs/testing.md; {time.monotonic() - began_s:.0f} s")
    return 1 if unknown else 0


def report(line: str) -> None:
    """To the terminal, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
