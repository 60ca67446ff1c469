"""The models of what tools take and give; their schemas are made from these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

QUESTION_CHARS_MAX = 2_000
PATH_CHARS_MAX = 4_096

State = Literal["indexed", "processing", "uploading", "untracked", "failed"]
Question = Annotated[
    str,
    Field(
        min_length=1,
        max_length=QUESTION_CHARS_MAX,
        description="A question or some words, in any language.",
    ),
]
Filter = Annotated[
    str | None,
    Field(
        max_length=QUESTION_CHARS_MAX,
        description="Only files with such metadata (AIP-160), for instance: year > 1960.",
    ),
]
Id = Annotated[str, Field(description="The id of the file, for `fetch`.")]
Uri = Annotated[str, Field(description="The file as a resource.")]
Path = Annotated[str, Field(description="The path of the file in the library.")]


class Taken(BaseModel):
    """The input of a tool; anything else is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Given(BaseModel):
    """The output of a tool."""

    model_config = ConfigDict(extra="forbid")


class SearchTaken(Taken):
    query: Question
    filter: Filter = None


class AskTaken(Taken):
    question: Question
    filter: Filter = None


class FetchTaken(Taken):
    id: str = Field(min_length=1, max_length=256, description="An id that a result has named.")
    offset: int = Field(0, ge=0, description="`next_offset` of the part before; 0 to begin.")


class ListTaken(Taken):
    folder: str = Field(
        "", max_length=PATH_CHARS_MAX, description="A folder in the library; empty for the top."
    )
    state: State | None = Field(None, description="Only files in this state.")
    after: str | None = Field(
        None, max_length=PATH_CHARS_MAX, description="`next_after` of the page before."
    )


class FileTaken(Taken):
    file: str = Field(
        min_length=1,
        max_length=PATH_CHARS_MAX,
        description="The id of a file, or its path in the library.",
    )


class NothingTaken(Taken):
    pass


class SyncTaken(Taken):
    plan_id: str = Field(min_length=1, max_length=64, description="`plan_id` of `plan_sync`.")


class SearchHit(Given):
    id: Id
    title: str
    url: str = Field(description="The passage in its text, in a browser (while the page runs).")
    uri: Uri
    path: Path
    text: str = Field(description="The passage, at most 400 characters of it, as a quotation.")
    page: int | None = Field(description="The page on which it begins, where there are pages.")
    place: str | None = Field(description="The slide or sheet: `slide 4`, `sheet Budget`.")
    part: int | None = Field(description="The part of a file that is indexed in parts.")
    has_changed: bool = Field(description="The file has changed since it was indexed.")
    proven_at: str | None = Field(description="When the store last proved to cite this version.")


class SearchGiven(Given):
    results: list[SearchHit]
    elsewhere: int = Field(description="Passages of documents that are not of this library.")


class Source(Given):
    number: int = Field(description="[number] in the answer refers to it.")
    id: Id | None
    title: str
    url: str | None
    uri: Uri | None
    path: Path | None
    page: int | None
    place: str | None
    has_changed: bool


class AskGiven(Given):
    answer: str = Field(
        description="The answer as a quotation; [n] names the source of a statement."
    )
    is_backed: bool = Field(description="Files of the library stand behind the answer.")
    sources: list[Source]


class FetchGiven(Given):
    id: Id
    title: str
    text: str = Field(description="At most 16,000 characters of the file's text, as a quotation.")
    url: str = Field(description="The text in a browser (while the page runs).")
    metadata: dict[str, str | int | float | list[str]]
    uri: Uri
    path: Path
    part: int | None
    version: str = Field(description="The version that is indexed: SHA-256 of the file.")
    indexed_at: str | None = Field(description="When it was sent to the store.")
    has_changed: bool = Field(description="The text is newer than the version that is indexed.")
    note: str | None = Field(description="What to know before citing it.")
    offset: int
    length: int = Field(description="Characters of the whole text.")
    next_offset: int | None = Field(description="Where the text goes on; null at its end.")


class Listed(Given):
    id: str | None = Field(description="The id of the file; null before it was sent.")
    path: Path
    state: State
    meaning: str = Field(description="The state in words.")
    size_bytes: int | None
    reason: str | None = Field(description="Why it cannot be searched.")


class ListGiven(Given):
    folders: list[str]
    files: list[Listed]
    next_after: str | None = Field(description="Where the list goes on; null at its end.")


class Move(Given):
    at: str
    to_state: str
    reason: str | None


class FileGiven(Given):
    id: str | None
    uri: Uri | None
    url: str | None
    title: str
    path: Path
    state: State
    meaning: str
    is_searchable: bool
    reason: str | None
    size_bytes: int | None
    version: str | None = Field(description="SHA-256 of the file as the library knows it.")
    indexed_at: str | None
    proven_at: str | None
    has_changed: bool
    parts: int = Field(description="Documents that the file is indexed as, where it is in parts.")
    metadata: dict[str, str | int | float | list[str]]
    moves: list[Move] = Field(description="The last moves of the file, oldest first.")


class StatusGiven(Given):
    library: str | None = Field(description="The folder.")
    store: str | None
    where: str = Field(description="The store's place.")
    is_billed: bool = Field(description="Questions and uploads cost money there.")
    searchable: int
    waiting: int
    under_way: int
    failed: int
    cannot_be_searched: int
    gone_from_folder: int
    size_bytes: int = Field(description="Bytes of the searchable files.")
    proven: int = Field(description="Searchable files that the store has cited since.")
    oldest_proof: str | None
    last_run: str | None = Field(description="When the last run began, and how it ended.")
    next_step: str


class PlanGiven(Given):
    plan_id: str
    files: int = Field(description="Files that would be sent.")
    reasons: dict[str, int]
    size_bytes: int
    leaving: int = Field(description="Documents that would leave the store: gone from the folder.")
    requests: int
    dollars: float = Field(description="The least that it costs; 0 where nothing is billed.")
    summary: str


class SyncGiven(Given):
    is_clean: bool = Field(description="The store holds what the folder does, and was looked at.")
    was_interrupted: bool
    indexed: int
    failed: int
    failures: dict[str, str] = Field(description="Path -> reason, of the first failures.")
    elapsed_s: float
    summary: str
