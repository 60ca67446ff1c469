"""Commands of the user that make text of what nothing here reads: OCR, speech to text, pandoc.

A command gets a copy of the file, under a name that no stranger has chosen, in a folder of its own
which is gone afterwards. It gets no variable of the environment but a few that every program needs,
so no key. It has a process group of its own: a time-out, an interruption and the sudden death of
objlib end all of it (`guard.py`). Its standard output is the text.
"""

from __future__ import annotations

import asyncio
import fnmatch
import hashlib
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from objlib.formats.reading import NoText, Unreadable

#: Part of each treatment: raise it when the same output of a command gives another text.
_VERSION = 1
#: The end of the name of a folder beside the catalog, with texts that commands have made.
KEPT_TEXTS = ".converted"
#: The place of the file in an argument.
PATH = "{path}"
#: What a document may have at the API.
TEXT_BYTES_MAX = 100 * 1024 * 1024
#: Commands at a time: each may take all cores.
AT_ONCE = 2
#: Exit code of a command whose trouble may pass (sysexits.h), and from which on it did not end.
_TEMPORARY, _NOT_STARTED = 75, 127
_STDERR_BYTES = 4096
#: Seconds after which a program is no longer waited for that has made itself a daemon.
_ENDS_WITHIN_S = 10.0
_COPIED_BYTES = 1024 * 1024
_GUARD = Path(__file__).with_name("guard.py")
#: All that a command gets to see of the environment.
_VARIABLES = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ"
    r"|SYSTEMROOT|USERPROFILE|APPDATA|LOCALAPPDATA|COMSPEC|PATHEXT"
)


class HookFailed(Unreadable):
    """A command has made no text.

    Args:
        may_pass: it is not the document's fault.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


@dataclass(frozen=True, slots=True)
class Hook:
    """A command for the files whose names match a pattern."""

    #: Of the name; with a `/` in it, of the path in the library. Case does not count.
    pattern: str
    command: tuple[str, ...]

    @classmethod
    def parse(cls, pattern: str, command: str | Sequence[str]) -> Hook:
        """Return the hook that a setting describes; a string is split as a shell does, without one.

        Raises:
            ValueError: there is no command, or nowhere for the file.
        """
        try:
            parts = shlex.split(command) if isinstance(command, str) else list(command)
        except ValueError as error:
            raise ValueError(f"the command for {pattern!r}: {str(error).lower()}") from error
        if not parts or not any(PATH in part for part in parts[1:]):
            raise ValueError(f"the command for {pattern!r} needs a place for the file: {PATH}")
        return cls(pattern, tuple(parts))

    @property
    def treatment(self) -> str:
        """`hook:1:` and a digest of the command; part of the upload key."""
        digest = hashlib.sha256("\0".join(self.command).encode("utf-8", "surrogateescape"))
        return f"hook:{_VERSION}:{digest.hexdigest()[:12]}"

    def matches(self, path: str) -> bool:
        """Return whether a file of the library is one for this command."""
        name = path if "/" in self.pattern else path.rpartition("/")[2]
        return fnmatch.fnmatchcase(name.lower(), self.pattern.lower())


@dataclass(frozen=True, slots=True)
class Hooks:
    """The commands of the user, and where their texts are kept."""

    hooks: tuple[Hook, ...] = ()
    #: A folder for texts by content, command and extension; None to keep none.
    cache: Path | None = None
    timeout_s: float = 3600.0
    _slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(AT_ONCE), compare=False, repr=False
    )

    @classmethod
    def of(
        cls, commands: Mapping[str, str | Sequence[str]], cache: Path | None, timeout_s: float
    ) -> Hooks:
        """Return the hooks that the settings describe. Raises as `Hook.parse`."""
        hooks = (Hook.parse(pattern, command) for pattern, command in commands.items())
        return cls(tuple(hooks), cache, timeout_s)

    def hook_for(self, path: str) -> Hook | None:
        """Return the first hook for a file of the library, or None."""
        return next((hook for hook in self.hooks if hook.matches(path)), None)

    async def text(self, hook: Hook, name: str, opened: Callable[[], BinaryIO], sha256: str) -> str:
        """Return the text of a file, as its command made it of this content once, or makes it now.

        Args:
            opened: opens the file.
            sha256: of its content; of another one nothing is made.

        Raises:
            HookFailed: the command fails, takes too long, or its output is no text.
            OSError: the file cannot be read, or not be copied.
        """
        if text := await self.kept_text(hook, name, sha256):
            return text
        suffix = _plain_suffix(name)
        kept = self.cache and self.cache / _name_of_kept(sha256, hook, suffix)
        async with self._slots:
            with tempfile.TemporaryDirectory(
                prefix="objlib-", ignore_cleanup_errors=True
            ) as folder:
                copy = Path(folder) / f"document{suffix}"
                if await asyncio.to_thread(_copy, opened, copy) != sha256:
                    raise HookFailed("It was written to meanwhile.", may_pass=True)
                text = _text_of(await self._output(hook, folder, copy), hook)
        if kept:
            await asyncio.to_thread(_keep, kept, text)
        return text

    async def kept_text(self, hook: Hook, name: str, sha256: str) -> str | None:
        """Return the text of a file as its command made it of this content once, if it is kept."""
        if self.cache is None:
            return None
        kept = self.cache / _name_of_kept(sha256, hook, _plain_suffix(name))
        return await asyncio.to_thread(_kept, kept) or None

    async def _output(self, hook: Hook, folder: str, copy: Path) -> bytes:
        environment = {name: value for name, value in os.environ.items() if _is_harmless(name)}
        command = [part.replace(PATH, str(copy)) for part in hook.command]
        guard = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_GUARD), folder, *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environment, "TMPDIR": folder, "TEMP": folder, "TMP": folder},
            start_new_session=True,  # Ctrl-C in a terminal is for objlib
        )
        assert guard.stdin and guard.stdout and guard.stderr
        last_words = asyncio.ensure_future(_end_of(guard.stderr))
        try:
            async with asyncio.timeout(self.timeout_s):
                output = await _bounded(guard.stdout, hook)
                said = await last_words
                code = await guard.wait()
        except TimeoutError as error:
            raise HookFailed(
                f"The command for {hook.pattern} took longer than {self.timeout_s:g} seconds."
            ) from error
        finally:
            last_words.cancel()
            await asyncio.wait([last_words])  # two may not read a stream
            guard.stdin.close()  # and so the guard ends what is still running
            with suppress(TimeoutError):
                await asyncio.wait_for(_over(guard), _ENDS_WITHIN_S)
        if code:
            raise _failure(hook, code, said)
        return output


NO_HOOKS = Hooks()


def _failure(hook: Hook, code: int, said: bytes) -> HookFailed:
    lines = said.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it did not say why")
    may_pass = code in (_TEMPORARY, _NOT_STARTED) or code > _NOT_STARTED
    return HookFailed(
        f"The command for {hook.pattern} failed ({code}): {last[:200]}", may_pass=may_pass
    )


def _text_of(output: bytes, hook: Hook) -> str:
    try:
        text = output.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HookFailed(f"The command for {hook.pattern} printed no text in UTF-8.") from error
    if "\0" in text:
        raise HookFailed(f"The command for {hook.pattern} printed no text in UTF-8.")
    if not text.strip():
        raise NoText(f"The command for {hook.pattern} printed nothing.")
    return text


async def _bounded(stream: asyncio.StreamReader, hook: Hook) -> bytes:
    pieces, size = [], 0
    while piece := await stream.read(_COPIED_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > TEXT_BYTES_MAX:
            raise HookFailed(f"The command for {hook.pattern} printed more than 100 MB.")
    return b"".join(pieces)


async def _over(guard: asyncio.subprocess.Process) -> None:
    """Wait for the end. To asyncio a process is over when its pipes are read to their ends."""
    assert guard.stdout and guard.stderr
    await asyncio.gather(_end_of(guard.stdout), _end_of(guard.stderr))
    await guard.wait()


async def _end_of(stream: asyncio.StreamReader) -> bytes:
    end = b""
    while piece := await stream.read(_STDERR_BYTES):
        end = (end + piece)[-_STDERR_BYTES:]
    return end


def _copy(opened: Callable[[], BinaryIO], place: Path) -> str:
    digest = hashlib.sha256()
    with opened() as source, place.open("wb") as target:
        while piece := source.read(_COPIED_BYTES):
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def _plain_suffix(name: str) -> str:
    """The extension of a name, if it is one that a program may look at: `.mp3`."""
    suffix = Path(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,16}", suffix) else ""


def _is_harmless(name: str) -> bool:
    return _VARIABLES.fullmatch(name.upper()) is not None


def _name_of_kept(sha256: str, hook: Hook, suffix: str) -> str:
    """Return a name that is another one for everything that may give another text."""
    made_of = "\0".join((sha256, hook.treatment, suffix))
    return f"{hashlib.sha256(made_of.encode()).hexdigest()}.txt"


def _kept(place: Path) -> str:
    """Return the text that was kept; an empty one where none was, for no text is empty."""
    try:
        return place.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _keep(place: Path, text: str) -> None:
    """Write a text for the next time; a full disk keeps none."""
    with suppress(OSError):
        place.parent.mkdir(mode=0o700, exist_ok=True)
        # Two threads may keep the same text at the same time, each in a file of its own.
        descriptor, beside = tempfile.mkstemp(suffix=".part", dir=place.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8"))
            Path(beside).replace(place)
        except OSError:
            Path(beside).unlink(missing_ok=True)
            raise
