"""The life of a file: states, moves and the one transition table.

The table is the only statement of what may happen. The catalog's guard trigger, the state manager
and the diagram in `docs/architecture.md` are made from it or checked against it.
"""

from __future__ import annotations

from enum import StrEnum

from objlib.errors import IllegalTransitionError


class State(StrEnum):
    """The place of a file between disk and store."""

    UNTRACKED = "untracked"
    UPLOADING = "uploading"
    PROCESSING = "processing"
    INDEXED = "indexed"
    FAILED = "failed"


class Move(StrEnum):
    """A move of a file from one state to another: the name of an arrow in the table."""

    BEGIN_UPLOAD = "begin_upload"
    UPLOAD_CONFIRMED = "upload_confirmed"
    IMPORT_CONFIRMED = "import_confirmed"
    FAIL = "fail"
    RETRY = "retry"
    RELEASE = "release"
    INVALIDATE = "invalidate"


IN_FLIGHT = (State.UPLOADING, State.PROCESSING)

TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.UNTRACKED, Move.BEGIN_UPLOAD): State.UPLOADING,
    (State.UPLOADING, Move.UPLOAD_CONFIRMED): State.PROCESSING,
    (State.PROCESSING, Move.IMPORT_CONFIRMED): State.INDEXED,
    (State.UPLOADING, Move.FAIL): State.FAILED,
    (State.PROCESSING, Move.FAIL): State.FAILED,
    (State.FAILED, Move.RETRY): State.UNTRACKED,
    (State.UPLOADING, Move.RELEASE): State.UNTRACKED,
    (State.PROCESSING, Move.RELEASE): State.UNTRACKED,
    (State.INDEXED, Move.INVALIDATE): State.UNTRACKED,
}


def next_state(state: State, move: Move) -> State:
    """The state that follows.

    Raises:
        IllegalTransitionError: the table has no such move.
    """
    try:
        return TRANSITIONS[state, move]
    except KeyError:
        raise IllegalTransitionError(state, move) from None


def legal_moves() -> list[tuple[State, State]]:
    """The pairs (from, to) of the table, in its order, each once."""
    return list(dict.fromkeys((before, after) for (before, _), after in TRANSITIONS.items()))
