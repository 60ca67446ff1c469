"""The words and exit codes that the command line has for errors. The core knows neither."""

from __future__ import annotations

from objlib.errors import (
    CatalogError,
    ConfigurationError,
    GuardRefused,
    Hint,
    LibraryGone,
    ObjlibError,
    RemoteError,
    RunEnded,
)

#: Error class -> exit code. A class that is not here has that of the class it is made from.
EXIT_CODES: dict[type[ObjlibError], int] = {
    ObjlibError: 1,
    ConfigurationError: 2,
    CatalogError: 2,
    GuardRefused: 1,
    LibraryGone: 2,
    RunEnded: 3,
    RemoteError: 3,
}

#: Hint -> the end of the line, from its punctuation on.
WORDS = {
    Hint.ACCEPT_DEVICE: ". If it is the same library, say so with --accept-device",
    Hint.ACCEPT_HOME: "; name a folder in it, or say --accept-home",
    Hint.CHECK_LIBRARY: "; check --library",
    Hint.CHOOSE_ANOTHER_CATALOG: "; choose another file with --db",
    Hint.CREATE_STORE: "; `objlib fsm-upload` makes it, or name another with --store",
    Hint.GIVE_LIBRARY_ITS_OWN_CATALOG: "; give this library a catalog of its own with --db",
    Hint.LEAVE_OUT_NEW_STORE: "; leave out --new-store",
    Hint.NAME_CATALOG_FILE: "; --db names the catalog's file",
    Hint.NAME_LIBRARY: " with --library DIR",
    Hint.NAME_LIBRARY_ID: "; say which is this library with --library-id ID",
    Hint.RAISE_MAX_DELETE: ". If that is what you want, raise --max-delete",
    Hint.RECOVER_INTO_NEW_CATALOG: "; use a new catalog for that (--db)",
    Hint.RESTORE_OR_START_NEW_CATALOG: (
        "; restore it, or move it away and start a new catalog with --db"
    ),
    Hint.RECOVER_FROM_STORE: (
        "; give the catalog back with `objlib recover --from-store`"
        " (or send all the same, as a library of its own, with --new-library)"
    ),
    Hint.SCAN_FIRST: "; run `objlib scan --library DIR` first",
    Hint.SCAN_OR_RECOVER: (
        "; run `objlib scan --library DIR` first, or if it was lost"
        " `objlib recover --from-store --library DIR`"
    ),
    Hint.SCAN_NEW_FILES: ", and `objlib scan` records new files",
    Hint.TRUST_SETTINGS_FILE: (
        ". If the file is yours, say so once: objlib config trust (or name it with --config)"
    ),
    Hint.UPLOAD_INTO_NEW_STORE: (
        "; `objlib sync --new-store` uploads the files into a new one, after a plan with its price"
    ),
    Hint.USE_BOUND_OR_ANOTHER_CATALOG: ", or another catalog with --db",
    Hint.WRITE_SETTINGS_FILE: "; `objlib init` writes a file with all settings",
}


def exit_code(kind: type[ObjlibError]) -> int:
    """Return 1, 2 or 3, as the manual explains them."""
    return next(EXIT_CODES[base] for base in kind.__mro__ if base in EXIT_CODES)


def worded(error: ObjlibError) -> str:
    """Return the message and, where the error has a hint, what to type."""
    return f"{error}{WORDS[error.hint] if error.hint is not None else ''}"
