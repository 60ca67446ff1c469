"""Why a document has no text although its type has some."""

from __future__ import annotations

import importlib
from typing import Any

from objlib.formats.text import NoText


class Unreadable(NoText):
    """The document itself is at fault. The message is for whoever sent it."""

    #: google.rpc.Code INVALID_ARGUMENT.
    code = 3


class LibraryMissing(NoText):
    """This server lacks what it takes."""

    #: google.rpc.Code UNIMPLEMENTED.
    code = 12


def library(name: str) -> Any:
    """A library of the extra `formats`.

    Raises:
        LibraryMissing: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LibraryMissing(
            f"This server cannot read such documents: {name} is missing"
            " (pip install 'objlib[formats]')."
        ) from error
