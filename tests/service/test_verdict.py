"""verdict_on(): what may be said of a store after a round, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from objlib.catalog.verdicts import RowCounts, Verdicts
from objlib.cli.verdict import EXACTLY, verdict_lines
from objlib.service.repairs import Synced
from objlib.service.verdict import verdict_on
from objlib.sync.apply import RepairReport
from objlib.sync.classify import DocumentClass
from objlib.sync.listing import SyncReport

ALL_WELL = RowCounts(0, 0, 0, 0, 0, 0)


def synced(*, foreign: int = 0, failed: int = 0, overtaken: int = 0) -> Synced:
    documents = {**dict.fromkeys(DocumentClass, 0), DocumentClass.FOREIGN: foreign}
    survey = SyncReport("fileSearchStores/s", "id", documents, 0, 0, 0, cast(Verdicts, None))
    return Synced(survey, RepairReport(failed=failed, overtaken=overtaken))


def test_exactly_is_said_when_nothing_speaks_against_it() -> None:
    """Listed, and nothing is off."""
    assert verdict_lines(verdict_on(ALL_WELL, synced(), 0)) == [EXACTLY]


@pytest.mark.parametrize("what", ["in_flight", "waiting", "failed", "unread", "unseen"])
def test_each_row_that_is_not_proved_forbids_it(what: str) -> None:
    """For each kind of row the sentence says what is not so."""
    verdict = verdict_on(replace(ALL_WELL, **{what: 5}), synced(), 0)
    assert not verdict.is_in_step
    first, second = verdict_lines(verdict)
    assert "not hold exactly" in first
    assert "5 files" in second


@pytest.mark.parametrize("what", ["failed", "overtaken"])
def test_a_repair_that_did_not_do_all_forbids_it(what: str) -> None:
    """A document that was not put right is off."""
    store = synced(failed=int(what == "failed"), overtaken=int(what == "overtaken"))
    assert not verdict_on(ALL_WELL, store, 0).is_in_step


def test_documents_of_others_are_named_and_no_trouble() -> None:
    """Two libraries may share a store, and then it does not hold exactly one of them."""
    verdict = verdict_on(ALL_WELL, synced(foreign=2), 0)
    assert verdict.is_in_step
    (line,) = verdict_lines(verdict)
    assert "exactly" not in line
    assert "2 documents of others" in line


def test_a_store_that_was_not_listed_proves_nothing() -> None:
    """Neither does a listing that was interrupted."""
    for store in (None, replace(synced(), was_interrupted=True)):
        verdict = verdict_on(ALL_WELL, store, 0)
        assert not verdict.is_in_step
        assert "not listed" in verdict_lines(verdict)[-1]


def test_what_this_round_sent_since_the_listing_counts_as_seen() -> None:
    """It saw each of these documents itself, active."""
    rows = replace(ALL_WELL, unseen=3)
    assert verdict_on(rows, synced(), 3).is_exact
    assert verdict_on(rows, synced(), 2).unseen == 1


def test_what_cannot_be_uploaded_is_named() -> None:
    """The library has more than the store then."""
    (line,) = verdict_lines(verdict_on(replace(ALL_WELL, skipped=1), synced(), 0))
    assert line == f"{EXACTLY}, but for 1 file that cannot be uploaded"
