"""Patience with the locks of other processes, and SQLite's errors in words for people."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

from objlib.errors import CatalogError, GuardRefused

T = TypeVar("T")

#: Seconds to wait for another process's transaction.
BUSY_TIMEOUT_S = 5.0
#: Seconds between two looks.
BUSY_RETRY_S = 0.005


async def patiently(step: Callable[[], T]) -> T:
    """Run a step, and run it again while another process holds a lock that it needs.

    SQLite's own busy handler would hold up the loop, and some statements never ask it: the switch
    to a write-ahead log, and the first look at the schema while another connection recovers or
    removes that log.
    """
    waited_s = 0.0
    while True:
        try:
            return step()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or waited_s >= BUSY_TIMEOUT_S:
                raise
        await asyncio.sleep(BUSY_RETRY_S)
        waited_s += BUSY_RETRY_S


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Return whether another connection's lock was in the way."""
    code = getattr(error, "sqlite_errorcode", 0)  # not every one has a code
    return bool(code & 0xFF == sqlite3.SQLITE_BUSY)


@contextlib.contextmanager
def translated(description: str) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into one line for people."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise GuardRefused(
            f"the catalog {description} refused a change ({error}), so nothing was written; "
            "that is a bug in objlib, please report it"
        ) from error
    except sqlite3.DatabaseError as error:
        raise CatalogError(_explain(description, str(error))) from error
    except OSError as error:
        raise CatalogError(f"cannot open the catalog {description}: {error.strerror}") from error


def _explain(description: str, message: str) -> str:
    text = message.lower()
    if "locked" in text or "busy" in text:
        return (
            f"the catalog {description} is locked by another program; close it and run this again "
            "(nothing was lost)"
        )
    if "readonly" in text or "read-only" in text:
        return f"the catalog {description} is read-only; make it and its folder writable"
    if "full" in text:
        return f"no space left on the disk of {description}; free some and run this again"
    if "not a database" in text or "malformed" in text:
        return (
            f"{description} is not a readable SQLite database ({message}); restore a backup, "
            "or move it away and scan again"
        )
    if "i/o error" in text:
        return (
            f"the disk of the catalog {description} is full or failing ({message}); "
            "nothing was lost"
        )
    if "unable to open" in text:
        return f"cannot open the catalog {description}: no permission, or its folder is missing"
    return f"the catalog {description} failed: {message}"
