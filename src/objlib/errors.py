"""The whole family of errors. What a caller can act on differently has a class of its own.

    ObjlibError
    ├── ConfigurationError               a setting, a flag or a folder is wrong
    │   ├── StoreNotFound                the named store does not exist
    │   ├── CatalogLost                  the store knows this library, and the catalog does not
    │   └── TooManyDeletions             more would go than the limit allows
    ├── CatalogError                     the catalog cannot be opened, read or written
    │   ├── GuardRefused                 the database refused a change: a bug, nothing was written
    │   ├── OCCConflictError             somebody else moved the row first
    │   └── IllegalTransitionError       a move that is not in the transition table
    ├── FileChanged                      a file was written to while it was being read
    ├── NotConvertible                   there is nothing of a file that could be sent
    ├── StoppedWaiting                   a run stops, and the backend asks for a long wait
    ├── RunEnded                         nothing more can be done in this run
    │   ├── BackendUnavailable           no answer: network, DNS, time-out, 5xx
    │   │   └── StoreGone                the store was deleted while it was in use
    │   ├── AccessRefused                the key is wrong, expired or not allowed
    │   ├── LibraryGone                  the library's folder is missing or empty
    │   └── StorageFull                  the project's File Search quota is used up
    └── RemoteError                      one call went wrong
        ├── RateLimited                  429: wait, then again
        ├── Transient                    5xx, a lost connection: safe to try again
        │   ├── Unreachable              no connection could be made at all
        │   └── IntegrityError           the bytes over there are not the bytes over here
        ├── Rejected                     400 and friends: trying again cannot help
        ├── NotFound                     404, or 403 for a raw file that has expired
        ├── AlreadyExists                409: an earlier attempt got through
        └── InDoubt                      the answer was lost and the effect may have happened

A message says to anybody what happened and to what. Its `hint` is a kind of remedy, which a front
end puts into words with its own flags, commands or buttons. `asyncio.CancelledError` is no error:
it is the echo of a dispose and never becomes a failed file.
"""

from __future__ import annotations

from enum import Enum


class Hint(Enum):
    """A kind of remedy. A front end words it."""

    ACCEPT_DEVICE = "say that the library may lie on another device now"
    ACCEPT_HOME = "say that a home directory is the library, or name a folder in it"
    CHECK_LIBRARY = "check the library's folder"
    CHOOSE_ANOTHER_CATALOG = "choose another file as the catalog"
    CREATE_STORE = "upload something, which makes the store, or name another store"
    GIVE_LIBRARY_ITS_OWN_CATALOG = "give this library a catalog of its own"
    LEAVE_OUT_NEW_STORE = "do without a new store"
    NAME_CATALOG_FILE = "name the catalog's file, not a folder"
    NAME_LIBRARY = "name the library's folder"
    NAME_LIBRARY_ID = "say by its id which library this is"
    RAISE_MAX_DELETE = "allow more deletions"
    RECOVER_INTO_NEW_CATALOG = "take the documents over into a new catalog"
    RECOVER_FROM_STORE = "give the lost catalog back from the store"
    RESTORE_OR_START_NEW_CATALOG = "restore the store, or move it away and start a new catalog"
    SCAN_FIRST = "scan the library first"
    SCAN_OR_RECOVER = "scan the library, or recover a catalog that was lost"
    SCAN_NEW_FILES = "scan, which records new files"
    TRUST_SETTINGS_FILE = "say that the settings file is the user's own, or name it"
    UPLOAD_INTO_NEW_STORE = "upload the files into a new store"
    USE_BOUND_OR_ANOTHER_CATALOG = "use what the catalog is bound to, or another catalog"
    WRITE_SETTINGS_FILE = "write a settings file that explains every setting"


class ObjlibError(Exception):
    """Base of everything objlib raises on purpose.

    Args:
        message: what happened, and to what.
        hint: the kind of remedy, where there is one that the message does not name.
    """

    def __init__(self, message: str = "", *, hint: Hint | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigurationError(ObjlibError):
    """A setting, a flag, a template or a folder is wrong."""


class StoreNotFound(ConfigurationError):
    """The named store does not exist on this backend."""


class CatalogLost(ConfigurationError):
    """The store holds documents of the files here, and this catalog knows nothing of them."""


class TooManyDeletions(ConfigurationError):
    """More documents would be deleted than is allowed; none was."""


class CatalogError(ObjlibError):
    """The catalog cannot be opened, read or written."""


class GuardRefused(CatalogError):
    """A guard of the database refused a change, which is a bug in objlib; nothing was written."""


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
    """A move was asked of a state that does not have it."""

    def __init__(self, state: str, move: str) -> None:
        self.state = state
        self.move = move
        super().__init__(f"the move {move!r} is not possible in state {state!r}")


class NotConvertible(ObjlibError):
    """Of a file there is no text that could be sent: encrypted, damaged, nothing but pictures.

    Args:
        may_pass: it is not the file's fault, and another time may be better.
    """

    def __init__(self, message: str = "", *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class StoppedWaiting(ObjlibError):
    """Whoever stops does not sit through the wait that the backend asks for; nothing was sent."""


class RunEnded(ObjlibError):
    """Nothing more can be done in this run; rows stay as they were."""


class BackendUnavailable(RunEnded):
    """The backend gave no answer."""


class StoreGone(BackendUnavailable):
    """The store was there at the beginning, and is not any more."""

    def __init__(self, store_name: str) -> None:
        super().__init__(f"the store {store_name} is gone", hint=Hint.UPLOAD_INTO_NEW_STORE)


class AccessRefused(RunEnded):
    """The backend refused the key or the project."""


class LibraryGone(RunEnded):
    """The library's folder is not there any more, or has nothing in it: an unmounted disk."""


class StorageFull(RunEnded):
    """The project's File Search storage, or a server's disk, is full; waiting does not help."""


class RemoteError(ObjlibError):
    """One call went wrong. About one file it is that file's trouble; at start-up it is the end."""


class RateLimited(RemoteError):
    """429 RESOURCE_EXHAUSTED for a rate, not for storage.

    Args:
        is_of_the_day: the quota of a day is used up, so that no short wait helps.
    """

    def __init__(
        self, message: str, retry_after_s: float | None = None, *, is_of_the_day: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.is_of_the_day = is_of_the_day


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
