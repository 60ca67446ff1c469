"""The states of a file in plain words, for the page and for assistants."""

from __future__ import annotations

from objlib.catalog.records import FileRecord

STATES = {
    "indexed": "searchable",
    "processing": "being indexed",
    "uploading": "on its way",
    "untracked": "waiting",
    "failed": "not searchable",
}


def state_of(record: FileRecord) -> str:
    """Return the state of a file in words."""
    if record.is_deleted:
        return "gone from the folder"
    if record.skip_reason:
        return "cannot be searched"
    return STATES[record.gemini_state.value]
