"""The words and exit codes of errors."""

from __future__ import annotations

import pytest

from objlib import errors
from objlib.cli.errors import WORDS, exit_code, worded
from objlib.errors import CatalogError, Hint, ObjlibError


def test_every_hint_has_words() -> None:
    """A hint without words would end a command with a traceback."""
    assert set(WORDS) == set(Hint)


def test_the_line_is_the_message_and_the_words_of_its_hint() -> None:
    """The message stays as it is; without a hint nothing follows it."""
    error = CatalogError("there is no catalog at a.db", hint=Hint.SCAN_FIRST)
    assert str(error) == "there is no catalog at a.db"
    assert worded(error) == "there is no catalog at a.db; run `objlib scan --library DIR` first"
    assert worded(CatalogError("locked")) == "locked"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.NotConvertible, 1),
        (errors.StoreNotFound, 2),
        (errors.OCCConflictError, 2),
        (errors.LibraryGone, 2),
        (errors.AccessRefused, 3),
        (errors.IntegrityError, 3),
    ],
)
def test_a_class_has_the_exit_code_of_its_nearest_ancestor(
    kind: type[ObjlibError], code: int
) -> None:
    """What the table does not name is as what it is made from."""
    assert exit_code(kind) == code
