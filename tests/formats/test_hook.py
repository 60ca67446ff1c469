"""Commands that make text: what they get, what becomes of their output, and how they end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from pathlib import Path

import pytest

from objlib.formats.hook import Hook, HookFailed, Hooks
from objlib.formats.reading import NoText

PYTHON = sys.executable


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A file that nothing reads."""
    path = tmp_path / "Talk; $(touch owned).MP3"
    path.write_bytes(b"ID3 sounds")
    return path


def hook(program: str) -> Hook:
    """A command that runs a program of Python."""
    return Hook("*.mp3", (PYTHON, "-c", program, "{path}"))


def text(program: str, talk: Path, cache: Path | None = None, timeout_s: float = 300) -> str:
    """The text that a command makes of the talk."""
    digest = hashlib.sha256(talk.read_bytes()).hexdigest()
    hooks = Hooks((hook(program),), cache, timeout_s)
    return asyncio.run(hooks.text(hooks.hooks[0], talk.name, lambda: talk.open("rb"), digest))


def test_a_command_gets_a_copy_in_a_folder_of_its_own(talk: Path) -> None:
    """Under a plain name; it may do what it likes with it, and all of it goes."""
    program = """
import os, pathlib, sys
path = pathlib.Path(sys.argv[1])
content = path.read_bytes().decode()
path.write_text("overwritten")
pathlib.Path("more").write_text("left behind")
print(path.name, os.getcwd() == str(path.parent), os.environ["TMPDIR"] == os.getcwd(), content)
print(os.getcwd())
"""
    first, folder = text(program, talk).splitlines()
    assert first == "document.mp3 True True ID3 sounds"
    assert not Path(folder).exists()
    assert talk.read_bytes() == b"ID3 sounds"


def test_no_secret_is_in_its_environment(talk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets what every program needs, and nothing that is not on the list."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OBJLIB_BASE_URL", "AWS_SECRET", "PYTHONPATH"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    said = text("import os; print(dict(os.environ))", talk)
    assert "secret" not in said
    assert "'LC_ALL': 'C.UTF-8'" in said
    assert "'PATH'" in said


@pytest.mark.parametrize(
    ("program", "why", "may_pass"),
    [
        ("import sys; sys.exit('no speech in it')", "failed (1): no speech in it", False),
        ("import sys; sys.exit(75)", "failed (75): it did not say why", True),
        ("import os; os.kill(os.getpid(), 9)", "failed (137)", True),
        ("import sys; sys.stderr.write('x\\n' * 10**6 + 'last\\n\\n'); sys.exit(2)", "last", False),
        ("import os; os.write(1, b'\\xff\\xfe\\0\\1')", "no text in UTF-8", False),
        ("import os; os.write(1, b'a\\0b')", "no text in UTF-8", False),
        ("import os\nwhile True: os.write(1, b'x' * 2**20)", "more than 100 MB", False),
        ("import time; time.sleep(10**6)", "longer than", False),
        ("import os, time; os.close(1); os.close(2); time.sleep(10**6)", "longer than", False),
    ],
)
def test_what_goes_wrong_is_one_reason(talk: Path, program: str, why: str, may_pass: bool) -> None:
    """Of the last line that it said, or of the bound that it broke; some of it may pass."""
    timeout_s = 1 if why == "longer than" else 300
    with pytest.raises(HookFailed) as failed:
        text(program, talk, timeout_s=timeout_s)
    assert why in str(failed.value)
    assert "\n" not in str(failed.value)
    assert failed.value.may_pass is may_pass


def test_a_command_that_prints_nothing_has_found_no_text(talk: Path) -> None:
    """White space is none."""
    with pytest.raises(NoText, match="printed nothing"):
        text("print()", talk)


def test_a_command_that_is_not_there_may_come(talk: Path) -> None:
    """That is no fault of the file."""
    hooks = Hooks((Hook.parse("*.mp3", "no-such-program-here {path}"),))
    with pytest.raises(HookFailed, match=r"no-such-program-here: No such file") as failed:
        asyncio.run(hooks.text(hooks.hooks[0], "a.mp3", lambda: talk.open("rb"), _digest(talk)))
    assert failed.value.may_pass


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_has_changed_is_not_converted(talk: Path) -> None:
    """The text would not be that of the content it is kept under."""
    hooks = Hooks((hook("print('never')"),))
    with pytest.raises(HookFailed, match="written to"):
        asyncio.run(hooks.text(hooks.hooks[0], "a.mp3", lambda: talk.open("rb"), "0" * 64))


def test_a_text_is_made_once_for_a_content_and_a_command(talk: Path, tmp_path: Path) -> None:
    """Another content and another command are other texts; only their owner can read them."""
    runs, cache = tmp_path / "runs", tmp_path / "kept"
    program = f"open({str(runs)!r}, 'a').write('.'); print('caf\\xe9')"
    assert text(program, talk, cache) == text(program, talk, cache) == "café\n"
    assert runs.read_text() == "."
    text(program + " ", talk, cache)
    talk.write_bytes(b"ID3 other sounds")
    text(program, talk, cache)
    assert runs.read_text() == "..."
    assert len(list(cache.iterdir())) == 3
    assert cache.stat().st_mode & 0o077 == 0
    assert not any(file.stat().st_mode & 0o077 for file in cache.iterdir())
    with pytest.raises(HookFailed):
        text("raise SystemExit(1)", talk, cache)
    assert len(list(cache.iterdir())) == 3


def test_whoever_is_cancelled_ends_the_command_and_what_it_has_started(
    talk: Path, tmp_path: Path
) -> None:
    """So does a command that ends and leaves something running."""
    pids = tmp_path / "pids"
    os.mkfifo(pids)
    start = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10**6)"])
open({str(pids)!r}, "w").write(str(child.pid))
"""

    async def story(program: str, is_cancelled: bool) -> int:
        hooks = Hooks((hook(program),))
        work = hooks.text(hooks.hooks[0], talk.name, lambda: talk.open("rb"), _digest(talk))
        task = asyncio.ensure_future(work)
        child = int(await asyncio.to_thread(pids.read_text))
        if is_cancelled:
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() is is_cancelled
        return child

    for program, is_cancelled in ((start + "child.wait()", True), (start + "print('x')", False)):
        until_gone(asyncio.run(story(program, is_cancelled)))


@pytest.mark.parametrize("timeout_s", [300, 2])
def test_output_that_nobody_reads_any_more_holds_nothing_up(talk: Path, timeout_s: float) -> None:
    """Of a program that prints and prints, on both roads, nothing is waited for in the end."""
    program = """
import os, sys, threading
def flood(place):
    while True: os.write(place, b"x" * 2**16)
threading.Thread(target=flood, args=(2,), daemon=True).start()
flood(1)
"""
    for _ in range(3):
        with pytest.raises(HookFailed, match=r"longer than|more than"):
            text(program, talk, timeout_s=timeout_s)


def until_gone(pid: int) -> None:
    """Wait until a process is no more, or nothing but an entry."""
    while True:
        try:
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return
        except (FileNotFoundError, ProcessLookupError):
            return


@pytest.mark.parametrize("command", ["", "cat", [], ["{path}"], 'cat "{path}'])
def test_a_command_without_a_place_for_the_file_is_refused(command: str | list[str]) -> None:
    """It would do the same for each file."""
    with pytest.raises(ValueError, match=r"\*\.mp3"):
        Hook.parse("*.mp3", command)


@pytest.mark.parametrize(
    ("pattern", "path", "is_one"),
    [
        ("*.mp3", "Talks/One.MP3", True),
        ("*.mp3", "Talks/One.mp3.txt", False),
        ("talks/*.pdf", "Talks/One.pdf", True),
        ("talks/*.pdf", "Books/One.pdf", False),
        ("talk-[0-9].pdf", "a/talk-7.pdf", True),
    ],
)
def test_a_pattern_is_of_names_or_of_paths(pattern: str, path: str, is_one: bool) -> None:
    """The first that matches is taken; case does not count."""
    first = Hook.parse(pattern, "a {path}")
    hooks = Hooks((first, Hook.parse("*", "b {path}")))
    assert (hooks.hook_for(path) is first) is is_one
