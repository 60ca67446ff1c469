"""The transition table, which everything else is made from or checked against."""

from __future__ import annotations

import itertools

import pytest

from objlib.errors import CatalogError, IllegalTransitionError
from objlib.states import IN_FLIGHT, TRANSITIONS, Move, State, legal_moves, next_state

#: The drawing of the state machine, once more and by hand.
DRAWING = """
untracked   begin_upload      uploading
uploading   upload_confirmed  processing
processing  import_confirmed  indexed
uploading   fail              failed
processing  fail              failed
failed      retry             untracked
uploading   release           untracked
processing  release           untracked
indexed     invalidate        untracked
"""

ARROWS = {
    (before, event): after for before, event, after in map(str.split, DRAWING.strip().splitlines())
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Move)))
def test_an_event_leads_where_the_drawing_says_or_nowhere(state: State, event: Move) -> None:
    """For each of the thirty-five pairs: the arrow's end, or an error that names both."""
    after = ARROWS.get((state.value, event.value))

    if after is not None:
        assert next_state(state, event) is State(after)
        return
    with pytest.raises(IllegalTransitionError, match=f"'{event}'.*'{state}'") as refused:
        next_state(state, event)
    assert (refused.value.state, refused.value.move) == (state, event)
    assert isinstance(refused.value, CatalogError)


def test_only_a_document_that_was_seen_leads_into_indexed() -> None:
    """There is one way into `indexed`, and it begins in `processing`."""
    ways = [move for move, after in TRANSITIONS.items() if after is State.INDEXED]
    assert ways == [(State.PROCESSING, Move.IMPORT_CONFIRMED)]


def test_no_state_is_a_dead_end() -> None:
    """From every state every other can be reached."""
    reach = {
        state: {after for before, after in legal_moves() if before is state} for state in State
    }
    for _ in State:
        for state in State:
            reach[state] |= {further for near in reach[state] for further in reach[near]}
    assert all(reach[state] == set(State) for state in State)


def test_what_is_in_flight_can_always_be_let_go() -> None:
    """Recovery can release a row wherever an earlier run left it."""
    released = {state for (state, event) in TRANSITIONS if event is Move.RELEASE}
    assert released == set(IN_FLIGHT)


def test_the_moves_are_the_arrows_without_their_names() -> None:
    """`legal_moves` has each pair once, and none the table lacks."""
    assert sorted(legal_moves()) == sorted({(b, after) for (b, _), after in ARROWS.items()})
