"""Parsers against models: whatever is sent, the server does what a few lines of Python say."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from objlib.filestore.filters import MetadataValue, parse_filter
from tests.filestore.mounted import Mounted, content_of, mounted

T = TypeVar("T")

# Filters: an expression as a tree, written in every way the grammar allows

KEYS = ("author", "year", "tags", "a b")
TEXTS = ("x", "y", 'q"q', "back\\slash", "")
ORDER = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
comparisons = st.tuples(
    st.just("is"),
    st.sampled_from(KEYS),
    st.sampled_from([*ORDER, ":"]),
    st.sampled_from(TEXTS) | st.integers(-3, 3),
)
trees = st.recursive(
    comparisons,
    lambda inner: (
        st.tuples(st.just("not"), inner)
        | st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=8,
)
metadata = st.dictionaries(
    st.sampled_from(KEYS),
    st.sampled_from(TEXTS)
    | st.integers(-3, 3).map(float)
    | st.lists(st.sampled_from(TEXTS), max_size=3),
)


def written(tree: Any, choose: st.DataObject) -> str:
    """A tree as a filter, every part that is not a comparison in brackets."""
    kind, *rest = tree
    blank = choose.draw(st.sampled_from(["", " ", "\n"]))
    if kind == "is":
        key, comparator, value = rest
        shown = str(value) if isinstance(value, int) else quoted(value, choose)
        name = key if " " not in key and choose.draw(st.booleans()) else quoted(key, choose)
        return f"{name}{blank}{comparator}{blank}{shown}"
    if kind == "not":
        before = choose.draw(st.sampled_from(["NOT ", "-"]))
        return f"{before}({written(rest[0], choose)})"
    between = {"and": [" AND ", " "], "or": [" OR "]}[kind]
    parts = [f"({blank}{written(part, choose)}{blank})" for part in rest[0]]
    return choose.draw(st.sampled_from(between)).join(parts)


def quoted(value: str, choose: st.DataObject) -> str:
    mark = choose.draw(st.sampled_from("\"'"))
    escaped = value.replace("\\", "\\\\").replace(mark, "\\" + mark)
    return f"{mark}{escaped}{mark}"


def holds(tree: Any, values: dict[str, MetadataValue]) -> bool:
    """What a tree means: the whole specification."""
    kind, *rest = tree
    if kind == "not":
        return not holds(rest[0], values)
    if kind in ("and", "or"):
        return (all if kind == "and" else any)(holds(part, values) for part in rest[0])
    key, comparator, wanted = rest
    value = values.get(key)
    if isinstance(value, list):
        is_in = str(wanted) in value
        return is_in if comparator in (":", "=") else comparator == "!=" and not is_in
    if isinstance(value, float):
        if not isinstance(wanted, int):
            return False
        return value == wanted if comparator == ":" else bool(ORDER[comparator](value, wanted))
    if isinstance(value, str):
        if comparator == ":":
            return str(wanted).casefold() in value.casefold()
        return bool(ORDER[comparator](value, str(wanted)))
    return False


@settings(max_examples=300)
@given(tree=trees, values=metadata, choose=st.data())
def test_a_filter_means_what_its_tree_means(
    tree: Any, values: dict[str, MetadataValue], choose: st.DataObject
) -> None:
    """For all expressions, spellings and documents."""
    text = written(tree, choose)
    assert parse_filter(text)(values) == holds(tree, values), text


# Uploads: a server beside a byte string

headers_of_any_kind = st.dictionaries(
    st.sampled_from(
        ["X-Goog-Upload-Command", "X-Goog-Upload-Offset", "X-Goog-Upload-Header-Content-Length"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
    | st.sampled_from(["upload", "upload, finalize", "finalize", "query", "cancel", "start"]),
)


class UploadMachine(RuleBasedStateMachine):
    """One upload at a time; `received` and `state` are the whole specification."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory()
        self._stack = AsyncExitStack()
        self.server: Mounted = self._run(
            self._stack.enter_async_context(mounted(Path(self._folder.name)))
        )
        self.url = ""
        self.declared: int | None = None
        self.received = b""
        self.state = "active"
        self.answer: Any = None
        self.last = (0, b"")

    def _run(self, story: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(story)

    def teardown(self) -> None:
        self._run(self._stack.aclose())
        self._runner.close()
        self._folder.cleanup()

    @initialize(declared=st.none() | st.integers(0, 12))
    def start(self, declared: int | None) -> None:
        self.declared = declared
        self.url = self._run(self.server.start(declared))

    @rule(start=st.integers(0, 14), content=st.binary(max_size=8), finalize=st.booleans())
    def send_anything(self, start: int, content: bytes, finalize: bool) -> None:
        self._send(start, content, finalize)

    @rule(size=st.integers(0, 6), back=st.integers(0, 4), finalize=st.booleans())
    def send_what_fits(self, size: int, back: int, finalize: bool) -> None:
        start = max(0, len(self.received) - back)
        self._send(start, self.received[start:] + b"x" * size, finalize)

    def _send(self, start: int, content: bytes, finalize: bool) -> None:
        command = "upload, finalize" if finalize else "upload"
        response = self._run(self.server.piece(self.url, content, offset=start, command=command))
        expected = self._expected(start, content, finalize)
        assert response.status_code == expected, response.text
        status = response.headers["x-goog-upload-status"]
        assert status == ("active" if expected == 200 and self.state == "active" else "final")
        if self.state == "final" and expected == 200:
            self.answer = self.answer or response.json()
            assert response.json() == self.answer

    def _expected(self, start: int, content: bytes, finalize: bool) -> int:
        """The status, after the model has done what the server should."""
        if self.state == "final":
            return 200 if not content or (start, content) == self.last else 400
        end = start + len(content)
        if self.state == "cancelled" or start > len(self.received):
            return 400
        known = self.received[start:end]
        too_many = self.declared is not None and end > self.declared
        if content and (content[: len(known)] != known or too_many):
            return 400
        self.received = self.received[:start] + content + self.received[end:]
        if finalize:
            if self.declared not in (None, len(self.received)):
                return 400
            self.state = "final"
            self.last = (start, content)
        return 200

    @rule(cancel=st.booleans())
    def ask_or_cancel(self, cancel: bool) -> None:
        command = "cancel" if cancel else "query"
        response = self._run(self.server.piece(self.url, b"", command=command))
        if cancel and self.state == "active":
            self.state = "cancelled"
        assert response.headers["x-goog-upload-status"] == self.state
        assert response.headers["x-goog-upload-size-received"] == str(len(self.received))

    @rule(headers=headers_of_any_kind, content=st.binary(max_size=5))
    def send_nonsense_elsewhere(self, headers: dict[str, str], content: bytes) -> None:
        async def story() -> httpx2.Response:
            return await self.server.http.post(
                "/upload/v1beta/files", content=content, headers=headers
            )

        assert self._run(story()).status_code in (200, 400)

    @precondition(lambda self: self.state == "final" and self.answer is not None)
    @invariant()
    def the_file_is_what_was_received(self) -> None:
        file = self.answer["file"]
        assert content_of(self.server.store, file["name"]) == self.received
        assert file.get("sizeBytes", "0") == str(len(self.received))


TestUploadMachine = UploadMachine.TestCase
TestUploadMachine.settings = settings(max_examples=40, stateful_step_count=20)
