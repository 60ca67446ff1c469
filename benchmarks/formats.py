"""How much of a document each reader finds: objlib beside markitdown and pandoc (`make formats`).

Of documents that are made here the words are known. Of public ones, which PyPI's source archives
carry for their own tests, those words count that at least two of the readers find. The peers live
in an environment of their own, in build/peers. A table whose peers or documents are not there is
left as the page has it.
"""

from __future__ import annotations

import codecs
import json
import re
import subprocess
import sys
import tarfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from charset_normalizer import from_bytes
from tests.formats.languages import FAMILIES, damaged, family_of, samples

from benchmarks.formats_made import made
from objlib.formats import NoText, read
from objlib.formats.decoding import decode_text
from objlib.library.mime import Accepted, look_at

BUILD = Path("build")
PEERS = BUILD / "peers" / "bin" / "python"
PUBLIC = BUILD / "documents"
WORK = BUILD / "formats"
PAGE = Path("docs/formats.md")
BEGIN, END = "<!-- make formats -->", "<!-- end -->"
MADE = "Documents made here, with known words"
DOWNLOADED = "Public test documents of python-docx, python-pptx, odfpy and nbformat"
ENCODED = "Texts from before UTF-8, and without a mark"
READERS = ("objlib", "markitdown", "pandoc")
_KINDS = "docx pptx xlsx odt ods odp epub fb2 html rtf pdf eml mbox mht msg ipynb json".split()
#: Words that readers add themselves: "Slide number: 1", "[chart]", "image.png".
_OWN = frozenset("slide number chart image png picture notes table unnamed nan".split())
_CHARDET = re.compile(r"/tests/([^/]+)/[^/]+$")
#: The encoding that a name stands for -> the larger one that browsers take it for.
WIDER_ENCODINGS = {
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "tis-620": "cp874",
    "iso-8859-1": "cp1252",
    "iso-8859-9": "cp1254",
    "euc-kr": "cp949",
}
_WORD = re.compile(r"[^\W_]{3,}")

#: Runs in the peers' environment: paths on standard input, a JSON line a document and reader.
_PEER = r"""
import json, subprocess, sys, time
from markitdown import MarkItDown
import pypandoc
converter, pandoc = MarkItDown(), pypandoc.get_pandoc_path()
for path in sys.stdin.read().split("\n"):
    for name in ("markitdown", "pandoc") * 2:
        begin = time.perf_counter()
        try:
            if name == "markitdown":
                text = converter.convert(path).text_content
            else:
                command = [pandoc, "--to=plain", "--wrap=none", "--track-changes=all", path]
                if path.endswith(".pdf"):
                    raise ValueError
                done = subprocess.run(command, capture_output=True, timeout=60, check=True)
                text = done.stdout.decode("utf-8", "replace")
        except Exception:
            text = None
        seconds = time.perf_counter() - begin
        print(json.dumps([name, path, text, seconds]), flush=True)
"""


@dataclass(slots=True)
class Row:
    """One kind of document: words that count, and by reader those that were found."""

    documents: int = 0
    words: int = 0
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(READERS, 0))
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(READERS, 0.0))
    read: dict[str, int] = field(default_factory=lambda: dict.fromkeys(READERS, 0))


def main() -> None:
    """Measure, print the tables, and write them into docs/formats.md."""
    begin = time.perf_counter()
    known = _written()
    public = list(_public())
    texts: dict[Path, dict[str, tuple[str | None, float]]] = defaultdict(dict)
    has_peers = PEERS.exists()
    for path in sorted(known | dict.fromkeys(public)):
        texts[path]["objlib"] = _ours(path)
    for reader, path, text, seconds in _theirs(sorted(texts)) if has_peers else ():
        texts[path][reader] = (text, seconds)
    tables = {
        MADE: _table(MADE, _rows(texts, known, of_known=True)) if has_peers else None,
        DOWNLOADED: _table(DOWNLOADED, _rows(texts, known, of_known=False))
        if has_peers and public
        else None,
        ENCODED: _encodings(),
    }
    page = PAGE.read_text("utf-8")
    page, kept = with_tables(page, tables)
    print("\n\n".join(table for table in tables.values() if table))
    for title in kept:
        print(f"not measured, left as it was: {title} (make formats installs what it needs)")
    PAGE.write_text(page, "utf-8")
    print(f"\nwritten to {PAGE} in {time.perf_counter() - begin:.0f} s", file=sys.stderr)


def with_tables(page: str, tables: Mapping[str, str | None]) -> tuple[str, list[str]]:
    """Return a page with its tables replaced, and the titles of those that were left as they are.

    Args:
        tables: title, which is the first cell of a table, -> the table; None was not measured.
    """
    before, _, rest = page.partition(BEGIN)
    inside, _, after = rest.partition(END)
    former = {
        block.partition("|")[2].partition("|")[0].strip(): block
        for block in inside.strip().split("\n\n")
    }
    kept = [title for title, table in tables.items() if table is None]
    shown = [table or former.get(title, "") for title, table in tables.items()]
    return f"{before}{BEGIN}\n" + "\n\n".join(filter(None, shown)) + f"\n{END}{after}", kept


def _written() -> dict[Path, frozenset[str]]:
    """Write the documents that are made here; their paths and words."""
    WORK.mkdir(parents=True, exist_ok=True)
    known = {}
    for document in made():
        path = WORK / document.name
        path.write_bytes(document.content)
        known[path] = document.words
    return known


def _public() -> Iterator[Path]:
    """Unpack the documents in the source archives that were downloaded; yield their paths."""
    for archive in sorted(PUBLIC.glob("*.tar.gz")):
        if archive.name.startswith("chardet"):  # of these it is asked whether they are read right
            continue
        with tarfile.open(archive) as source:
            for member in source.getmembers():
                suffix = member.name.rpartition(".")[2].lower()
                if not member.isfile() or suffix not in _KINDS or not member.size:
                    continue
                path = WORK / "public" / member.name.replace("/", "-")
                path.parent.mkdir(exist_ok=True)
                content = source.extractfile(member)
                assert content is not None, "it is a file"
                path.write_bytes(content.read())
                yield path


def _ours(path: Path) -> tuple[str | None, float]:
    """Return the text, and the seconds of a second reading, which loads no libraries."""
    _once(path)
    return _once(path)


def _once(path: Path) -> tuple[str | None, float]:
    begin = time.perf_counter()
    _, verdict = look_at(path)
    text: str | None = None
    if isinstance(verdict, Accepted):
        try:
            reading = read(path.read_bytes(), verdict.mime_type)
            text = "\n".join(page.text for page in reading.pages)
        except NoText:
            text = None
    return text, time.perf_counter() - begin


def _theirs(paths: list[Path]) -> Iterator[tuple[str, Path, str | None, float]]:
    done = subprocess.run(
        [PEERS, "-W", "ignore", "-c", _PEER],
        input="\n".join(map(str, paths)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith("["):
            reader, path, text, seconds = json.loads(line)
            yield reader, Path(path), text, seconds


def _rows(
    texts: dict[Path, dict[str, tuple[str | None, float]]],
    known: dict[Path, frozenset[str]],
    *,
    of_known: bool,
) -> dict[str, Row]:
    rows: dict[str, Row] = defaultdict(Row)
    for path, by_reader in texts.items():
        if (path in known) != of_known:
            continue
        words = {reader: _words(text or "") for reader, (text, _) in by_reader.items()}
        all_words = [word for found in words.values() for word in found]
        often = {word for word in all_words if all_words.count(word) > 1}
        counting = known.get(path) or often - _OWN
        row = rows[path.suffix[1:].lower()]
        row.documents += 1
        row.words += len(counting)
        for reader, (text, seconds) in by_reader.items():
            row.found[reader] += len(counting & words[reader])
            row.seconds[reader] += seconds
            row.read[reader] += text is not None
    return rows


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _table(title: str, rows: dict[str, Row]) -> str:
    lines = [
        f"| {title} | documents | words | {' | '.join(READERS)} | ms a document |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind in _KINDS:
        if (row := rows.get(kind)) is None:
            continue
        shares = " | ".join(_share(row, reader) for reader in READERS)
        times = " / ".join(_time(row, reader) for reader in READERS)
        lines.append(f"| `.{kind}` | {row.documents} | {row.words} | {shares} | {times} |")
    return "\n".join(lines)


def _encodings() -> str:
    """Return the table of texts from before UTF-8 that are read right, by encoding and length."""
    readers: dict[str, Callable[[bytes], str]] = {
        "objlib": decode_text,
        "charset-normalizer": lambda content: str(from_bytes(content).best()),
    }
    lines = [
        f"| {ENCODED} | samples | {' | '.join(readers)} |",
        "| --- | ---: | ---: | ---: |",
    ]
    for title, texts in (*_samples(), ("chardet's own test texts", list(_of_chardet()))):
        if not texts:
            continue
        shares = [
            sum(reader(raw).removeprefix("\ufeff") in meant for meant, raw in texts)
            for reader in readers.values()
        ]
        shown = " | ".join(f"{share / len(texts):.0%}" for share in shares)
        lines.append(f"| {title} | {len(texts)} | {shown} |")
    return "\n".join(lines)


def _samples() -> Iterator[tuple[str, list[tuple[tuple[str, ...], bytes]]]]:
    """Yield a name and texts: each with what it means, by family of encodings and length."""
    every = [*samples(), *damaged()]
    for family in FAMILIES:
        for name, least, most in (("up to 60 characters", 1, 60), ("more", 61, 10**6)):
            texts: list[tuple[tuple[str, ...], bytes]] = [
                ((text,), raw)
                for _, encoding, text, raw in every
                if family_of(encoding) == family and least <= len(text) <= most
            ]
            yield f"{family}, {name}", texts


def _of_chardet() -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Yield chardet's texts with what they mean: the name of a folder is the encoding.

    As browsers do, the larger encoding of the same name is taken for what is meant, too.
    """
    for archive in PUBLIC.glob("chardet-*.tar.gz"):
        with tarfile.open(archive) as source:
            for member in source.getmembers():
                found = _CHARDET.search(member.name)
                content = source.extractfile(member)
                if found is None or content is None:
                    continue
                raw = content.read()
                if meant := tuple(_meant(raw, _encoding_named(found[1].lower()))):
                    yield meant, raw


def _encoding_named(folder: str) -> str:
    """Return the encoding that a folder is called by; a language may follow: "koi8-r-russian"."""
    while folder:
        try:
            codecs.lookup(folder)
        except LookupError:
            folder = folder.rpartition("-")[0]
        else:
            break
    return folder


def _meant(raw: bytes, encoding: str) -> Iterator[str]:
    for name in (encoding, WIDER_ENCODINGS.get(encoding, encoding)):
        with suppress(UnicodeDecodeError, LookupError):
            yield raw.decode(name).removeprefix("\ufeff")


def _share(row: Row, reader: str) -> str:
    if not row.read[reader]:
        return "not read"
    return f"{row.found[reader] / row.words:.0%}" if row.words else "-"


def _time(row: Row, reader: str) -> str:
    return f"{1000 * row.seconds[reader] / row.documents:.0f}" if row.read[reader] else "-"


if __name__ == "__main__":
    main()
