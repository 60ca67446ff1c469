"""The life of a file: states, events and the one transition table.

The table is the only statement of what may happen. The catalog's guard trigger, the state manager
and the diagram in `docs/architecture.md` are made from it or checked against it.
"""

from __future__ import annotations

from enum import StrEnum

from objlib.errors import IllegalTransitionError


class State(StrEnum):
    """Where a file stands between disk and store."""

    UNTRACKED = "untracked"
    UPLOADING = "uploading"
    PROCESSING = "processing"
    INDEXED = "indexed"
    FAILED = "failed"


class Event(StrEnum):
    """What can happen to a file."""

    BEGIN_UPLOAD = "begin_upload"
    UPLOAD_CONFIRMED = "upload_confirmed"
    IMPORT_CONFIRMED = "import_confirmed"
    FAIL = "fail"
    RETRY = "retry"
    RELEASE = "release"
    INVALIDATE = "invalidate"


IN_FLIGHT = (State.UPLOADING, State.PROCESSING)

TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.UNTRACKED, Event.BEGIN_UPLOAD): State.UPLOADING,
    (State.UPLOADING, Event.UPLOAD_CONFIRMED): State.PROCESSING,
    (State.PROCESSING, Event.IMPORT_CONFIRMED): State.INDEXED,
    (State.UPLOADING, Event.FAIL): State.FAILED,
    (State.PROCESSING, Event.FAIL): State.FAILED,
    (State.FAILED, Event.RETRY): State.UNTRACKED,
    (State.UPLOADING, Event.RELEASE): State.UNTRACKED,
    (State.PROCESSING, Event.RELEASE): State.UNTRACKED,
    (State.INDEXED, Event.INVALIDATE): State.UNTRACKED,
}


def next_state(state: State, event: Event) -> State:
    """The state that follows.

    Raises:
        IllegalTransitionError: the table has no such move.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(state, event) from None


def legal_moves() -> list[tuple[State, State]]:
    """The pairs (from, to) of the table, in its order, each once."""
    return list(dict.fromkeys((before, after) for (before, _), after in TRANSITIONS.items()))
