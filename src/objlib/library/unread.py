"""The reason for which a file could not be read, for its owner."""

from __future__ import annotations

import errno

from objlib.library.hashing import FileChanged
from objlib.library.reach import LEADS_OUT, LeadsOut

#: Another program has the file, and the system or a server of files says so.
_HELD = frozenset({errno.EAGAIN, errno.EBUSY, errno.ETXTBSY, errno.EDEADLK, errno.ENOLCK})
#: The same as Windows says it: a sharing violation, a locked region.
_HELD_WINDOWS = frozenset({32, 33})
#: The machine that has the file does not answer, or knows it no more.
_AWAY = frozenset(
    code
    for name in "ESTALE EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ETIMEDOUT ENOTCONN EREMOTEIO "
    "ECONNRESET ECONNABORTED ENOLINK".split()
    if (code := getattr(errno, name, None)) is not None
)


def why_unread(error: OSError | FileChanged) -> str:
    """Return one line: the reason, and what to do about it."""
    if isinstance(error, FileChanged):
        return "it was being written to; scan again when it is at rest"
    if isinstance(error, LeadsOut):
        return LEADS_OUT
    problem = (error.strerror or str(error)).lower()
    if error.errno in _HELD or getattr(error, "winerror", None) in _HELD_WINDOWS:
        return f"it cannot be read ({problem}); another program has it: close it and scan again"
    if isinstance(error, PermissionError):
        return f"it cannot be read ({problem}); change its permissions"
    if error.errno in _AWAY:
        return f"it cannot be read ({problem}); connect the network drive again and scan again"
    return f"it cannot be read ({problem}); check the disk and scan again"
