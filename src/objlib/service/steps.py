"""The next sensible thing to do, as a value. A front end makes a command or a button of it."""

from __future__ import annotations

from enum import Enum


class NextStep(Enum):
    """A thing to do next."""

    COMPARE = "compare the store with the catalog"
    NAME_LIBRARY = "scan a library, by its folder"
    RECOVER = "recover once more"
    REPAIR = "bring the store in step with the catalog"
    RETRY_FAILED = "upload once more, the failed files too"
    SCAN = "scan the library"
    SEARCH = "search"
    SEE_FAILURES = "look at what failed"
    UPLOAD = "upload"
