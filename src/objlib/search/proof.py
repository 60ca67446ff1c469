"""verify: ask the store about each file, and believe nothing but a citation.

A sentence is taken from the file as it lies on disk and looked for in the whole store. The file is
proven when a passage of the very document its row names comes back, and the passage stands in the
file. Where other files answer better, the question is asked once more of this document alone: then
the store holds it, but it is outranked.
"""

from __future__ import annotations

import contextlib
import html
import random
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from objlib.catalog import queries, writes
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.documents.payload import KEY
from objlib.errors import ConfigurationError
from objlib.gemini.resources import Passage
from objlib.library.content import Content, read_content
from objlib.library.hashing import FileChanged
from objlib.library.identity import strip_identity_header
from objlib.library.mime import HEADED_TYPES
from objlib.reactive.bridge import from_coroutine
from objlib.reactive.demand import flat_map_limited, paged
from objlib.reactive.retry import Retry
from objlib.threads import Offload, in_place
from objlib.upload._operators import upload_with_retry
from objlib.waits import Waits

PAGE = 200

#: A sentence shorter than this says too little to be found by.
_SENTENCE_CHARS = range(25, 400)
#: One of so many of the most telling sentences is asked about, so that another part of the file is
#: looked at each time.
_CHOICE = 8
#: Where a text has more than this, only its beginning is looked through for sentences.
_TEXT_CHARS_MAX = 400_000
#: What a model blocks or leaves empty once, it often answers the next time.
_ASKED_AGAIN = 2
#: Sent as they are, and people can read them: what they say makes a question. What the store makes
#: of them is another text, so passages are not compared with it.
_READABLE = {
    *("text/csv", "text/tab-separated-values", "text/html", "text/xml", "application/json"),
}
_TAG = re.compile(r"<(?P<end>/?)(?P<name>\w*)[^<>]*>")
_SENTENCE = re.compile(r"[^.!?。！？։؟।\n]+[.!?。！？։؟।]?")

Ask = Callable[[str, str | None], Awaitable[Sequence[Passage]]]
"""(question, metadata filter) -> the passages that the answer cites. May raise `NoVerdict`."""
Read = Callable[[str], Content]
"""path -> the file as it is now."""


class Verdict(StrEnum):
    """The outcome of the question about one file."""

    PROVEN = "proven"
    OUTRANKED = "outranked"
    NOT_CITED = "not cited"
    OTHER_TEXT = "other text"
    CHANGED = "changed on disk"
    NO_VERDICT = "no verdict"
    UNREADABLE = "cannot be read"


#: The store does not hold what the catalog says; the gravest first.
FAILURES = (Verdict.NOT_CITED, Verdict.OTHER_TEXT, Verdict.UNREADABLE)


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdict on one file, and the question that was asked."""

    path: str
    verdict: Verdict
    question: str

    @property
    def is_failure(self) -> bool:
        """True if the store does not hold what the catalog says."""
        return self.verdict in FAILURES


@dataclass(frozen=True, slots=True)
class ProofReport:
    """Counts of files by verdict."""

    verdicts: Mapping[Verdict, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def asked(self) -> int:
        """Files that the store was asked about."""
        return sum(self.verdicts.values())

    def count(self, verdict: Verdict) -> int:
        """Return the number of files with this verdict."""
        return self.verdicts.get(verdict, 0)

    @property
    def is_clean(self) -> bool:
        """True if the store holds what the catalog says, as far as it was asked."""
        return not any(map(self.count, FAILURES))

    @property
    def gravest(self) -> Verdict | None:
        """The gravest verdict about which something can be done, if there is one."""
        return next(filter(self.count, (*FAILURES, Verdict.CHANGED)), None)


def count_proof(report: ProofReport, proof: Proof) -> ProofReport:
    """Return the report after one more proof."""
    before = report.verdicts.get(proof.verdict, 0)
    return ProofReport(MappingProxyType({**report.verdicts, proof.verdict: before + 1}))


@dataclass(frozen=True, slots=True)
class Subset:
    """One of `of` parts of a library, by a hash of the path; `number` counts from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Subset:
        """`3/7`. Raises `ConfigurationError`."""
        number, slash, of = text.partition("/")
        if slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
            return cls(int(number), int(of))
        raise ConfigurationError(f"a subset is written n/t, such as 3/7, not {text!r}")

    def holds(self, path: str) -> bool:
        """Return True if a file belongs to it."""
        return zlib.crc32(path.encode()) % self.of == self.number - 1


def proofs(
    catalog: Catalog,
    root: Path,
    ask: Ask,
    *,
    subset: Subset | None,
    limit: int | None,
    concurrency: int,
    waits: Waits,
    rng: random.Random,
    links_to: tuple[Path, ...] = (),
    until: Observable[Any] | None = None,
    offload: Offload = in_place,
) -> Observable[Proof]:
    """A proof for each indexed file of a subset, or for those whose last proof is oldest.

    Args:
        limit: how many files. They are fetched at once; without a limit page by page.
        until: asks about no further file once this emits; what was asked is still answered.
        offload: where files are read and compared.

    Errors: what the backend refuses for good, or still refuses after several attempts.
    """

    retry = Retry.of(waits, rng)
    read = partial(read_content, root, links_to=links_to)

    async def page(last: FileRecord | None) -> list[FileRecord]:
        if limit is not None:
            return [] if last else await queries.longest_unproven(catalog, limit)
        after = last.file_path if last else None
        while found := await queries.indexed_page(catalog, after, PAGE):
            wanted = [row for row in found if subset is None or subset.holds(row.file_path)]
            if wanted:
                return wanted
            after = found[-1].file_path
        return []

    def one(record: FileRecord) -> Observable[Proof]:
        return upload_with_retry(
            record,
            lambda record: _prove(catalog, read, ask, record, rng, offload),
            retry=retry,
        )

    rows = paged(lambda last: from_coroutine(lambda: page(last)))

    def admitted(credits: Observable[int]) -> Observable[FileRecord]:
        return rows(credits).pipe(ops.take_until(until if until is not None else rx.never()))

    return flat_map_limited(admitted, one, concurrency)


async def _prove(
    catalog: Catalog,
    read: Read,
    ask: Ask,
    record: FileRecord,
    rng: random.Random,
    offload: Offload,
) -> Proof:
    own_rng = random.Random(rng.getrandbits(64))  # drawn here, where the order is that of the files
    try:
        text, question = await offload(lambda: _question_of(read, record, own_rng))
    except _AnotherFile as difference:
        return Proof(record.file_path, difference.verdict, "")
    verdict = Verdict.PROVEN
    try:
        found = await _repeated(ask, question, None)
        cited = [passage for passage in found if _is_of(passage, record)]
        if not cited and record.upload_key:
            verdict = Verdict.OUTRANKED
            cited = list(await _repeated(ask, question, f'{KEY} = "{record.upload_key}"'))
    except NoVerdict:
        return Proof(record.file_path, Verdict.NO_VERDICT, question)
    if not cited:
        verdict = Verdict.NOT_CITED
    elif text is not None and not await offload(lambda: _stand_in(cited, text)):
        verdict = Verdict.OTHER_TEXT
    else:
        await writes.mark_proven(catalog, record)
    return Proof(record.file_path, verdict, question)


async def _repeated(ask: Ask, question: str, metadata_filter: str | None) -> Sequence[Passage]:
    """Ask again while the answer says nothing. Raises `NoVerdict` when it never does."""
    for _ in range(_ASKED_AGAIN):
        with contextlib.suppress(NoVerdict):
            return await ask(question, metadata_filter)
    return await ask(question, metadata_filter)


def _question_of(read: Read, record: FileRecord, rng: random.Random) -> tuple[str | None, str]:
    content = _content_of(read, record)
    title = str(record.metadata.get("title", record.filename))
    mime_type = record.mime_type or ""
    text = content.text if mime_type in HEADED_TYPES else None
    readable = content.text if text is not None or mime_type in _READABLE else ""
    if mime_type == "text/html":
        readable = _prose_of(readable[:_TEXT_CHARS_MAX])
    return text, question_about(title, readable, rng)


def _prose_of(markup: str) -> str:
    """Return what a page says, without its tags, scripts and styles."""
    said: list[str] = []
    position, is_hidden = 0, False
    for tag in _TAG.finditer(markup):
        if not is_hidden:
            said.append(markup[position : tag.start()])
        position = tag.end()
        if tag["name"].lower() in ("script", "style"):
            is_hidden = not tag["end"]
    if not is_hidden:
        said.append(markup[position:])
    return html.unescape(" ".join(said))


def _stand_in(passages: Sequence[Passage], text: str) -> bool:
    return all(stands_in(passage.text, text) for passage in passages)


def question_about(title: str, text: str, rng: random.Random) -> str:
    """A question that the file should answer: where does one of its telling sentences stand?

    Telling is a sentence of many different, long words. A text without one is so small that all of
    it is asked about. Without a text the title must do.
    """
    sentences = {" ".join(found[0].split()) for found in _SENTENCE.finditer(text[:_TEXT_CHARS_MAX])}
    telling = sorted(
        (sentence for sentence in sentences if len(sentence) in _SENTENCE_CHARS),
        key=lambda sentence: (-_weight(sentence), sentence),
    )
    if not telling:
        whole = " ".join(text[:_TEXT_CHARS_MAX].split())[: _SENTENCE_CHARS.stop]
        if not any(map(str.isalnum, whole)):
            return f"Search the files: what does “{title}” say?"
        telling = [whole]
    return f"Search the files: where does it say “{rng.choice(telling[:_CHOICE])}”?"


def stands_in(passage: str, text: str) -> bool:
    """True if a passage, without its identity header, is a part of the text but for white space."""
    return _without_space(strip_identity_header(passage)) in _without_space(text)


class NoVerdict(Exception):
    """The answer was blocked, cut or empty, and cites nothing: it says nothing about a file."""


class _AnotherFile(Exception):
    """The file on disk is not the one that was uploaded, or it cannot be read."""

    def __init__(self, verdict: Verdict = Verdict.CHANGED) -> None:
        self.verdict = verdict


def _content_of(read: Read, record: FileRecord) -> Content:
    """Return the file as it was sent."""
    try:
        content = read(record.file_path)
    except (FileNotFoundError, FileChanged) as error:
        raise _AnotherFile from error
    except OSError as error:
        raise _AnotherFile(Verdict.UNREADABLE) from error
    if content.fingerprint.sha256_hex != record.content_hash:
        raise _AnotherFile
    return content


def _is_of(passage: Passage, record: FileRecord) -> bool:
    """True if a passage comes from the document of this row, and not from an older one."""
    if record.upload_key:
        return record.upload_key in (passage.metadata.get(KEY), passage.title)
    return f"files/{passage.title}" == record.gemini_file_id


def _weight(sentence: str) -> int:
    words = {word.casefold() for word in re.findall(r"\w+", sentence)}
    return sum(len(word) for word in words if len(word) > 3) or len(sentence) // 2


def _without_space(text: str) -> str:
    return "".join(text.split())
