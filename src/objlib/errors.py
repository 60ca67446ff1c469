"""The whole family of errors. What a caller can act on differently has a class of its own.

    ObjlibError                      exit code
    ├── ConfigurationError           2   a setting, a flag or a folder is wrong
    │   ├── StoreNotFound                the named store does not exist
    │   └── TooManyDeletions             more would go than --max-delete allows
    ├── CatalogError                 2   the catalog cannot be opened, read or written
    │   ├── OCCConflictError             somebody else moved the row first
    │   └── IllegalTransitionError       a move that is not in the transition table
    ├── FileChanged                  1   a file was written to while it was being read
    ├── NotConvertible               1   there is nothing of a file that could be sent
    ├── RunEnded                     3   nothing more can be done in this run
    │   ├── BackendUnavailable           no answer: network, DNS, time-out, 5xx
    │   ├── AccessRefused                the key is wrong, expired or not allowed
    │   ├── LibraryGone              2   the library's folder is missing or empty
    │   └── StorageFull                  the project's File Search quota is used up
    └── RemoteError                  3   one call went wrong
        ├── RateLimited                  429: wait, then again
        ├── Transient                    5xx, a lost connection: safe to try again
        │   ├── Unreachable              no connection could be made at all
        │   └── IntegrityError           the bytes over there are not the bytes over here
        ├── Rejected                     400 and friends: trying again cannot help
        ├── NotFound                     404, or 403 for a raw file that has expired
        ├── AlreadyExists                409: an earlier attempt got through
        └── InDoubt                      the answer was lost and the effect may have happened

Every message says what happened, to what, and what to do. `asyncio.CancelledError` is no error:
it is the echo of a dispose and never becomes a failed file.
"""

from __future__ import annotations


class ObjlibError(Exception):
    """Base of everything objlib raises on purpose."""

    exit_code = 1


class ConfigurationError(ObjlibError):
    """A setting, a flag, a template or a folder is wrong."""

    exit_code = 2


class StoreNotFound(ConfigurationError):
    """The named store does not exist on this backend."""


class TooManyDeletions(ConfigurationError):
    """More documents would be deleted than is allowed; none was."""


class CatalogError(ObjlibError):
    """The catalog cannot be opened, read or written."""

    exit_code = 2


class OCCConflictError(CatalogError):
    """A guarded update matched no row: state or version had moved on."""

    def __init__(
        self,
        file_path: str,
        *,
        expected: tuple[str, int],
        found: tuple[str, int] | None,
    ) -> None:
        self.file_path = file_path
        self.expected = expected
        self.found = found
        seen = f"{found[0]} v{found[1]}" if found else "no row"
        super().__init__(
            f"{file_path}: expected {expected[0]} v{expected[1]}, found {seen}; "
            "another run moved this file first"
        )


class IllegalTransitionError(CatalogError):
    """An event was applied to a state that does not know it."""

    def __init__(self, state: str, event: str) -> None:
        self.state = state
        self.event = event
        super().__init__(f"the event {event!r} is not possible in state {state!r}")


class NotConvertible(ObjlibError):
    """Of a file there is no text that could be sent: encrypted, damaged, nothing but pictures."""


class RunEnded(ObjlibError):
    """Nothing more can be done in this run; rows stay as they were."""

    exit_code = 3


class BackendUnavailable(RunEnded):
    """The backend gave no answer."""


class AccessRefused(RunEnded):
    """The backend refused the key or the project."""


class LibraryGone(RunEnded):
    """The library's folder is not there any more, or has nothing in it: an unmounted disk."""

    exit_code = 2


class StorageFull(RunEnded):
    """The project's File Search storage, or a server's disk, is full; waiting does not help."""


class RemoteError(ObjlibError):
    """One call went wrong. About one file it is that file's trouble; at start-up it is the end."""

    exit_code = 3


class RateLimited(RemoteError):
    """429 RESOURCE_EXHAUSTED for a rate, not for storage."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Transient(RemoteError):
    """5xx or a broken connection on a call that is safe to repeat."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unreachable(Transient):
    """No connection could be made, so nothing was sent."""


class Rejected(RemoteError):
    """The backend understood the call and said no; repeating it cannot help."""


class NotFound(RemoteError):
    """The named resource is not there (any more)."""


class AlreadyExists(RemoteError):
    """The name is taken: an earlier attempt got through."""


class InDoubt(RemoteError):
    """The answer to a call that is not idempotent was lost; look before repeating it."""


class IntegrityError(Transient):
    """The checksum reported by the backend is not that of the bytes sent."""
