"""How well search finds: over questions with known answers, beside two plain ways to search.

    python -m benchmarks.retrieval LIBRARY [--passages N] [--misses] [--write]

The library is scanned and uploaded to an embedded store as ever, and each question is asked with
top_k 20 as `objlib search` asks it: by words, and with the extra `semantic` also by words and
meaning (fused). Beside it stand the same passages in a bare FTS5 table, in bm25s, and by their
meaning alone. Vectors are kept in build/vectors.db: a passage takes half a second of a core.

file@1, file@3   the share of questions whose file is the first, or among the first three
passage@5        the share of questions for whose passage this is so among the first five passages
MRR              the mean of 1 / the place of the file, 0 for a file that is not found
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.questions import (
    HELD_OUT,
    QUESTIONS,
    Figures,
    Passage,
    Question,
    Ranked,
    questions,
    ranked,
    unanswered,
)
from objlib import Library, SearchResult
from objlib.backend import EMBEDDED_URL, in_process
from objlib.documents.payload import PATH
from objlib.filestore import Embedder, EmbedderMissing, FileStore, MultilingualE5, create_app
from objlib.filestore.answer import NOTHING_FOUND, NOTHING_QUOTED
from objlib.filestore.quoting import TOKENIZER
from objlib.filestore.retrieval import values_of
from objlib.filestore.semantic import Nearness, packed
from objlib.formats.decoding import decode_text
from objlib.gemini.client import FileSearchClient
from objlib.language.words import terms
from objlib.library.identity import identity_header, strip_identity_header
from objlib.library.metadata import extract_metadata
from objlib.search.query import search

TOP_K = 20
#: In the middle, of a passage.
_TERMS = 180
VECTORS = Path("build/vectors.db")
PAGE = Path("docs/search.md")

Way = Callable[[str], Sequence[Passage]]
Ways = dict[str, list[Ranked]]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation found.

    Args:
        ways: way of searching -> the places of what was looked for.
        quoting: way -> the questions without an answer that it quoted something for, all the same.
    """

    ways: Ways
    quoting: dict[str, list[str]]


def texts(library: Path, *, with_header: bool) -> Iterator[tuple[str, bytes]]:
    """(name without extension, bytes as they are sent) of each text of a library."""
    for path in sorted(library.rglob("*.txt")):
        relative = path.relative_to(library).as_posix()
        header = identity_header(relative, extract_metadata(relative)) if with_header else ""
        yield path.stem, (header + decode_text(path.read_bytes())).encode("utf-8")


class Remembered:
    """An embedder that embeds no text twice, in this run or another."""

    def __init__(self, inner: Embedder, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._inner = inner
        self._path = path
        self.name = inner.name
        self.floor = inner.floor
        with self._open() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS vectors"
                " (embedder TEXT, text TEXT, vector BLOB, PRIMARY KEY (embedder, text))"
            )

    def _open(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(self._path, timeout=60, isolation_level=None))

    def embed(self, texts: Sequence[str], *, is_question: bool = False) -> NDArray[np.float32]:
        kind = "question" if is_question else "passage"
        rows = []
        with self._open() as db:
            for text in texts:
                key = f"{kind}:{hashlib.sha256(text.encode()).hexdigest()}"
                found = db.execute(
                    "SELECT vector FROM vectors WHERE embedder = ? AND text = ?", (self.name, key)
                ).fetchone()
                if found is None:
                    made = self._inner.embed([text], is_question=is_question)[0]
                    found = (made.astype("<f4").tobytes(),)
                    db.execute(
                        "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", (self.name, key, *found)
                    )
                rows.append(np.frombuffer(found[0], "<f4"))
        return np.stack(rows)


async def evaluate(
    library: Path,
    asked: Sequence[Question],
    nothing: Sequence[str] = (),
    *,
    embedder: Embedder | None = None,
) -> Evaluated:
    """Upload a library to a store of its own, and ask.

    Args:
        nothing: questions that nothing answers.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = place / "filestore.db"
        opened = Library.open(library, db=place / "library.db", semantic=False)
        async with opened as lib:
            await lib.scan()
            await lib.upload()
            with contextlib.closing(FileStore.open(data)) as store:
                (store_id,) = store.all("SELECT id FROM stores")[0]
                library_id = (await lib.bound()).library_id
                chunks = _chunks(store)
                ways: dict[str, Way] = {"FTS5": _fts5(chunks), "bm25s": _bm25s(chunks)}
                found = {
                    way: [ranked(one, ask(one.text)) for one in asked] for way, ask in ways.items()
                }

                quoting: dict[str, list[str]] = {}

                async def ask_objlib(way: str) -> None:
                    transport = in_process(create_app(store))
                    async with FileSearchClient(
                        api_key=None, base_url=EMBEDDED_URL, transport=transport
                    ) as client:

                        async def answer(text: str) -> SearchResult:
                            return await search(
                                client,
                                lib.catalog,
                                store_name=f"fileSearchStores/{store_id}",
                                query=text,
                                model="gemini-any",
                                library_id=library_id,
                                top_k=TOP_K,
                            )

                        found[way] = [ranked(one, _cited(await answer(one.text))) for one in asked]
                        quoting[way] = [
                            text
                            for text in nothing
                            if (await answer(text)).answer not in (NOTHING_FOUND, NOTHING_QUOTED)
                        ]

                await ask_objlib("words")
                if embedder is not None:
                    _fill_vectors(store, embedder, chunks)
                    found["meaning"] = [
                        ranked(one, _by_meaning(store, embedder, chunks, one.text)) for one in asked
                    ]
                    store.embedder = embedder
                    await ask_objlib("fused")
                return Evaluated(found, quoting)


def _cited(result: SearchResult) -> list[Passage]:
    return [Passage(Path(one.path or "").stem, one.text) for one in result.citations]


Chunks = Mapping[int, Passage]


def _chunks(store: FileStore) -> Chunks:
    """Id -> the passage as it is in the index, header included."""
    rows = store.all(
        "SELECT chunks.id, chunks.text, documents.metadata_json FROM chunks"
        " JOIN documents ON documents.position = chunks.document"
    )
    return {
        id: Passage(Path(str(values_of(json.loads(metadata))[PATH])).stem, text)
        for id, text, metadata in rows
    }


def _shown(chunks: Chunks, ids: Sequence[int]) -> list[Passage]:
    return [Passage(chunks[id].file, strip_identity_header(chunks[id].text)) for id in ids]


def _fts5(chunks: Chunks) -> Way:
    """A question as the OR of its words, over a table with the usual tokenizer."""
    db = sqlite3.connect(":memory:")
    db.execute(f'CREATE VIRTUAL TABLE passages USING fts5 (text, tokenize = "{TOKENIZER}")')
    db.executemany(
        "INSERT INTO passages (rowid, text) VALUES (?, ?)",
        [(id, passage.text) for id, passage in chunks.items()],
    )

    def ask(question: str) -> list[Passage]:
        wanted = " OR ".join(f'"{term}"' for term in dict.fromkeys(terms(question)))
        rows = db.execute(
            "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT ?",
            (wanted, TOP_K),
        )
        return _shown(chunks, [id for (id,) in rows])

    return ask


def _bm25s(chunks: Chunks) -> Way:
    """bm25s as its documentation shows it."""
    ids = list(chunks)
    retriever = bm25s.BM25()
    corpus = bm25s.tokenize([chunks[id].text for id in ids], stopwords="en", show_progress=False)
    retriever.index(corpus, show_progress=False)

    def ask(question: str) -> list[Passage]:
        query = bm25s.tokenize(question, stopwords="en", show_progress=False)
        k = min(TOP_K, len(ids))
        places, scores = retriever.retrieve(query, k=k, show_progress=False)
        best = [ids[place] for place, score in zip(places[0], scores[0], strict=True) if score > 0]
        return _shown(chunks, best)

    return ask


def _fill_vectors(store: FileStore, embedder: Embedder, chunks: Chunks) -> None:
    for id, passage in track(chunks.items(), "embedding"):
        (vector,) = packed(embedder.embed([passage.text]))
        store.insert("INSERT INTO vectors VALUES (?, ?, ?)", id, embedder.name, vector)


def _by_meaning(
    store: FileStore, embedder: Embedder, chunks: Chunks, question: str
) -> list[Passage]:
    """By the vectors alone, which the server does not offer."""
    rows = store.cursor("SELECT chunk, vector FROM vectors")
    vector = embedder.embed([question], is_question=True)[0]
    return _shown(chunks, [near.id for near in Nearness(rows, vector).best(TOP_K)])


def smaller(library: Path, asked: Sequence[Question], passages: int, folder: Path) -> None:
    """Copy the files that most questions are about, counted by their size, into a folder.

    Args:
        passages: about how many there may be in all.
    """
    wanted = Counter(file for one in asked for file in one.files)
    paths = {path.stem: path for path in sorted(library.rglob("*.txt"))}
    sizes = {
        name: len(terms(decode_text(path.read_bytes()))) / 180 + 1 for name, path in paths.items()
    }
    room = float(passages)
    for name in sorted(wanted, key=lambda name: (-wanted[name] / sizes[name], name)):
        if sizes[name] <= room:
            room -= sizes[name]
            copy = folder / paths[name].relative_to(library)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(paths[name], copy)


def main() -> None:
    """Evaluate and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("library", type=Path, help="the folder of texts")
    parser.add_argument(
        "--passages",
        type=int,
        help="only the files that most questions are about, so many passages",
    )
    parser.add_argument("--words", action="store_true", help="by words only")
    parser.add_argument("--misses", action="store_true", help="list what was not among the first")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE}")
    arguments = parser.parse_args()
    embedder: Embedder | None = None
    if not arguments.words:
        try:
            embedder = Remembered(MultilingualE5(), VECTORS)
        except EmbedderMissing as error:
            print(f"By words only: {error}")
    asked = {path.stem: questions(path) for path in (QUESTIONS, HELD_OUT)}
    every = [question for some in asked.values() for question in some]
    with tempfile.TemporaryDirectory() as folder:
        library = arguments.library
        if arguments.passages:
            smaller(library, every, arguments.passages, Path(folder))
            library = Path(folder)
            there = {path.stem for path in library.rglob("*.txt")}
            every = [one for one in every if one.files & there]
        nothing = {path.stem: unanswered(path) for path in (QUESTIONS, HELD_OUT)}
        silent = [text for some in nothing.values() for text in some]
        evaluated = asyncio.run(evaluate(library, every, silent, embedder=embedder))
    tables = ""
    for name, some in asked.items():
        those = {
            way: [one for one in places if one.question in some]
            for way, places in evaluated.ways.items()
        }
        _show(name, those)
        quoting = "; ".join(
            f"{way} {sum(text in nothing[name] for text in texts)}"
            for way, texts in evaluated.quoting.items()
        )
        line = f"Of {len(nothing[name])} that nothing answers, quoted all the same: {quoting}."
        print(line)
        tables += f"{_page_table(name, those)}{line}\n\n"
    if arguments.misses:
        _print_misses(evaluated)
    if arguments.write:
        mark = "eval of a part" if arguments.passages else "eval"
        page = PAGE.read_text("utf-8")
        pattern = rf"(<!-- {mark}: begin -->\n).*?(<!-- {mark}: end -->)"
        PAGE.write_text(re.sub(pattern, rf"\g<1>{tables}\g<2>", page, flags=re.DOTALL), "utf-8")


def _print_misses(evaluated: Evaluated) -> None:
    for way in ("words", "fused"):
        for one in evaluated.ways.get(way, ()):
            is_late = one.question.phrases and (one.passage is None or one.passage > 5)
            if one.file != 1 or is_late:
                print(
                    f"{way}  file {one.file or '-':>3}  passage {one.passage or '-':>3}  "
                    f"{one.question.kind:10}  {one.question.text}"
                )
        for text in evaluated.quoting.get(way, ()):
            print(f"{way}  quoted all the same  {text}")


def _groups(asked: Sequence[Question]) -> Iterator[tuple[str, list[Question]]]:
    """Yield the questions by kind, by script, and all."""
    for kind in dict.fromkeys(one.kind for one in asked):
        yield kind, [one for one in asked if one.kind == kind]
    for script in dict.fromkeys(one.script for one in asked):
        yield f"{script} script", [one for one in asked if one.script == script]
    yield "all but paraphrases", [one for one in asked if one.kind != "paraphrase"]
    yield "all", list(asked)


def _rows(ways: Ways) -> Iterator[tuple[str, int, dict[str, Figures]]]:
    """(what, how many questions, way -> figures)."""
    asked = [one.question for one in next(iter(ways.values()))]
    for name, some in _groups(asked):
        yield (
            name,
            len(some),
            {
                way: Figures.of([one for one in places if one.question in some])
                for way, places in ways.items()
            },
        )


def _show(title: str, ways: Ways) -> None:
    table = Table("", "questions", *ways, title=f"{title}: file@1 file@3 passage@5 MRR")
    for name, number, figures in _rows(ways):
        table.add_row(name, str(number), *(_said(one, " ") for one in figures.values()))
    Console(width=150).print(table)


def _page_table(title: str, ways: Ways) -> str:
    heads = "".join(f" {way} |" for way in ways)
    lines = [f"| {title} | questions |{heads}", f"| --- | --- |{' --- |' * len(ways)}"]
    for name, number, figures in _rows(ways):
        cells = "".join(f" {_said(one, ' · ')} |" for one in figures.values())
        lines.append(f"| {name} | {number} |{cells}")
    return "\n".join(lines) + "\n\n"


def _said(one: Figures, between: str) -> str:
    shares = (one.file_first, one.file_in_three, one.passage_in_five)
    return between.join([*(f"{share:.0%}" for share in shares), f"{one.mrr:.2f}"])


if __name__ == "__main__":
    main()
