"""Commands that make text: what they get, what becomes of their output, and how they end."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from objlib.formats import hook as hook_module
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


def test_a_text_that_was_kept_is_the_one_that_was_made(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the line end, or its checksum would change; another treatment makes another."""
    program = r"import os; os.write(1, b'a\r\nb\rc\n')"
    cache = tmp_path / "kept"
    assert [text(program, talk, cache) for _ in range(2)] == ["a\r\nb\rc\n"] * 2
    monkeypatch.setattr(hook_module, "_VERSION", 2)
    text(program, talk, cache)
    assert len(list(cache.iterdir())) == 2


def test_a_text_is_kept_for_one_extension(talk: Path, tmp_path: Path) -> None:
    """The command sees it, and may go by it."""
    cache = tmp_path / "kept"
    hooks = Hooks((hook("import sys; print(sys.argv[1][-4:])"),), cache)

    def of(name: str) -> str:
        opened = lambda: talk.open("rb")  # noqa: E731
        return asyncio.run(hooks.text(hooks.hooks[0], name, opened, _digest(talk)))

    assert [of("a.mp3"), of("a.wav"), of("b.MP3")] == [".mp3\n", ".wav\n", ".mp3\n"]
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damaged", [b"", b"caf\xe9"])
def test_a_text_that_was_damaged_is_made_again(talk: Path, tmp_path: Path, damaged: bytes) -> None:
    """A power cut leaves an empty file, and no command makes an empty text."""
    cache = tmp_path / "kept"
    text("print('x')", talk, cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(damaged)
    assert text("print('x')", talk, cache) == "x\n"
    assert kept.read_bytes() == b"x\n"


def test_a_full_disk_keeps_nothing_and_costs_no_text(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not half of a text under a name of its own, either."""

    class Full:
        """A file on a disk that is full."""

        def __init__(self, descriptor: int) -> None:
            self.descriptor = descriptor

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self.descriptor)

        def write(self, _text: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cache = tmp_path / "kept"
    with monkeypatch.context() as full:
        full.setattr(os, "fdopen", lambda descriptor, *_, **__: Full(descriptor))
        hook_module._keep(cache / "a.txt", "text")
    assert list(cache.iterdir()) == []
    hook_module._keep(cache / "a.txt", "text")
    assert [path.name for path in cache.iterdir()] == ["a.txt"]


def test_files_are_read_and_written_beside_the_event_loop(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk holds up no other file."""
    loop_thread = threading.get_ident()
    seen: list[str] = []

    def noting(name: str) -> Any:
        real = getattr(hook_module, name)

        def noted(*arguments: Any) -> Any:
            assert threading.get_ident() != loop_thread
            seen.append(name)
            return real(*arguments)

        return noted

    for name in ("_kept", "_copy", "_keep"):
        monkeypatch.setattr(hook_module, name, noting(name))
    for _ in range(2):
        text("print('x')", talk, tmp_path / "kept")
    assert seen == ["_kept", "_copy", "_keep", "_kept"]


def test_without_what_macos_lacks_a_command_still_ends(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had no `waitid` for long, and a group of dead processes may not be signalled there."""
    guard = tmp_path / "guard.py"
    guard.write_text(f"""
import os, runpy
del os.waitid
really = os.killpg
def killpg(group, number):
    really(group, number)
    raise PermissionError
os.killpg = killpg
runpy.run_path({str(hook_module._GUARD)!r}, run_name="__main__")
""")
    monkeypatch.setattr(hook_module, "_GUARD", guard)
    left = tmp_path / "left"
    program = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10**6)"])
open({str(left)!r}, "w").write(str(child.pid))
print("x")
"""
    assert text(program, talk) == "x\n"
    until_gone(int(left.read_text()))


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
