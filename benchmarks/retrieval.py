"""How well the embedded server finds: recall@3 and MRR over a set of questions with known answers.

    python -m benchmarks.retrieval LIBRARY [--no-header] [--misses]

Every text of the library is indexed as objlib sends it, identity header included, and each question
is asked over HTTP with top_k 20: by words (BM25) and, with the extra `semantic`, by words and
meaning (fused); by meaning alone (dense) the vectors are asked. A file's rank is that of its first
passage among the files cited.

recall@3   the share of questions whose file is among the first three
MRR        the mean of 1 / rank, 0 for a file that is not found
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from objlib.backend import EMBEDDED_URL, in_process
from objlib.filestore import Embedder, EmbedderMissing, FileStore, MiniLM, create_app
from objlib.filestore.semantic import nearest
from objlib.formats.decoding import decode_text
from objlib.library.identity import identity_header
from objlib.library.metadata import extract_metadata

#: What the rules of `words.py` were made with, and what nothing was tuned on.
QUESTIONS = Path(__file__).with_name("questions.toml")
HELD_OUT = Path(__file__).with_name("held_out.toml")
TOP_K = 20
FIRST = 3


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the names, without extension, of the files that answer it."""

    kind: str
    text: str
    files: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A question and the place of the first right file, from 1; None when it was not found."""

    question: Question
    rank: int | None


def questions(path: Path = QUESTIONS) -> list[Question]:
    """The questions of a file."""
    entries = tomllib.loads(path.read_text("utf-8"))["question"]
    return [
        Question(entry["kind"], entry["text"], frozenset([entry["file"], *entry.get("also", ())]))
        for entry in entries
    ]


def texts(library: Path, *, with_header: bool) -> Iterator[tuple[str, bytes]]:
    """(name without extension, bytes as they are sent) of each text of a library."""
    for path in sorted(library.rglob("*.txt")):
        relative = path.relative_to(library).as_posix()
        header = identity_header(relative, extract_metadata(relative)) if with_header else ""
        yield path.stem, (header + decode_text(path.read_bytes())).encode("utf-8")


async def evaluate(
    library: Path,
    asked: Sequence[Question],
    *,
    with_header: bool,
    embedder: Embedder | None = None,
) -> dict[str, list[Ranked]]:
    """Index the library in a data file of its own and ask.

    Returns:
        Way of searching -> the ranks: `BM25`, and with an embedder also `dense` and `fused`.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore.open(Path(folder) / "filestore.db", embedder=embedder)
        try:
            async with httpx2.AsyncClient(
                transport=in_process(create_app(store)), base_url=EMBEDDED_URL, trust_env=False
            ) as http:
                name = (await _post(http, "/v1beta/fileSearchStores", {}))["name"]
                for title, content in texts(library, with_header=with_header):
                    await _add(http, name, title, content)
                store.embedder = None
                ranked = {"BM25": [await _rank(http, name, question) for question in asked]}
                if embedder is not None:
                    ranked["dense"] = [_rank_by_meaning(store, embedder, one) for one in asked]
                    store.embedder = embedder
                    ranked["fused"] = [await _rank(http, name, question) for question in asked]
                return ranked
        finally:
            store.close()


def _rank_by_meaning(store: FileStore, embedder: Embedder, question: Question) -> Ranked:
    """By the vectors alone, which the server does not offer."""
    rows = store.cursor("SELECT chunk, vector FROM vectors")
    best = nearest(rows, embedder.embed([question.text])[0], TOP_K)
    named = dict(
        store.all(
            "SELECT chunks.id, documents.display_name FROM chunks"
            " JOIN documents ON documents.position = chunks.document"
            " WHERE chunks.id IN (SELECT value FROM json_each(:ids))",
            ids=str(best),
        )
    )
    return _ranked(question, [named[chunk] for chunk in best])


async def _add(http: httpx2.AsyncClient, store: str, title: str, content: bytes) -> None:
    headers = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Type": "text/plain",
    }
    path = f"/upload/v1beta/{store}:uploadToFileSearchStore"
    started = await http.post(path, json={"displayName": title}, headers=headers)
    answer = await http.post(
        started.headers["x-goog-upload-url"],
        content=content,
        headers={"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"},
    )
    answer.raise_for_status()


async def _rank(http: httpx2.AsyncClient, store: str, question: Question) -> Ranked:
    tool = {"fileSearch": {"fileSearchStoreNames": [store], "topK": TOP_K}}
    body = {"contents": [{"parts": [{"text": question.text}]}], "tools": [tool]}
    answer = await _post(http, "/v1beta/models/gemini-3.5-flash:generateContent", body)
    grounding = answer["candidates"][0].get("groundingMetadata", {})
    titles = [chunk["retrievedContext"]["title"] for chunk in grounding.get("groundingChunks", [])]
    return _ranked(question, titles)


def _ranked(question: Question, titles: Sequence[str]) -> Ranked:
    ranks = {title: rank for rank, title in enumerate(dict.fromkeys(titles), start=1)}
    return Ranked(question, min((ranks[f] for f in question.files if f in ranks), default=None))


async def _post(http: httpx2.AsyncClient, path: str, body: Any) -> Any:
    answer = await http.post(path, json=body)
    answer.raise_for_status()
    return answer.json()


def recall(ranked: Sequence[Ranked], first: int = FIRST) -> float:
    """The share whose rank is among the first."""
    return fmean(one.rank is not None and one.rank <= first for one in ranked)


def reciprocal_rank(ranked: Sequence[Ranked]) -> float:
    """The mean of 1 / rank."""
    return fmean(0.0 if one.rank is None else 1 / one.rank for one in ranked)


def main() -> None:
    """Evaluate and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("library", type=Path, help="the folder of texts")
    parser.add_argument("--no-header", action="store_true", help="index the texts as they are")
    parser.add_argument(
        "--misses", action="store_true", help="list what was not in the first three"
    )
    arguments = parser.parse_args()
    embedder: Embedder | None = None
    try:
        embedder = MiniLM()
    except EmbedderMissing as error:
        print(f"By words only: {error}")
    asked = {path: questions(path) for path in (QUESTIONS, HELD_OUT)}
    every = [question for some in asked.values() for question in some]
    with_header = not arguments.no_header
    ways = asyncio.run(
        evaluate(arguments.library, every, with_header=with_header, embedder=embedder)
    )
    for path, some in asked.items():
        _show(path.stem, {way: _of(ranked, some) for way, ranked in ways.items()})
    if arguments.misses:
        for way, ranked in ways.items():
            for one in ranked:
                if one.rank is None or one.rank > FIRST:
                    place = one.rank or "-"
                    print(f"{way}  {place:>3}  {one.question.kind:10}  {one.question.text}")


def _of(ranked: Sequence[Ranked], some: Sequence[Question]) -> list[Ranked]:
    return [one for one in ranked if one.question in some]


def _show(title: str, ways: dict[str, list[Ranked]]) -> None:
    columns = [heading for way in ways for heading in (f"{way} recall@{FIRST}", "MRR")]
    table = Table("kind", "questions", *columns, title=title)
    asked = [one.question for one in ways["BM25"]]
    for kind in [*dict.fromkeys(question.kind for question in asked), "all"]:
        cells = []
        for ranked in ways.values():
            some = [one for one in ranked if kind in ("all", one.question.kind)]
            cells += [f"{recall(some):.0%}", f"{reciprocal_rank(some):.2f}"]
        number = sum(kind in ("all", question.kind) for question in asked)
        table.add_row(kind, str(number), *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
