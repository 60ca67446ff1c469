"""The text of a file that a command of the user makes: what is sent in the file's place."""

from __future__ import annotations

from pathlib import Path

from objlib.errors import NotConvertible
from objlib.formats.hook import Hook, HookFailed, Hooks
from objlib.formats.reading import NoText
from objlib.library.hashing import Fingerprint
from objlib.library.reach import Opener, open_regular


async def hooked_text(
    hooks: Hooks, hook: Hook | None, path: Path, opener: Opener, seen: Fingerprint
) -> str:
    """Return the text of a file.

    Args:
        hook: None where there was one when the file was scanned.
        seen: the fingerprint of the file; of another content no text is made.

    Raises:
        NotConvertible: there is no text, and why.
        OSError: the file cannot be read.
    """
    if hook is None:
        raise NotConvertible("no command makes text of it any more; see the setting convert")
    try:
        return await hooks.text(
            hook, path.name, lambda: open_regular(path, opener), seen.sha256_hex
        )
    except NoText as problem:
        said = str(problem).rstrip(".")
        may_pass = isinstance(problem, HookFailed) and problem.may_pass
        raise NotConvertible(said[:1].lower() + said[1:], may_pass=may_pass) from problem
