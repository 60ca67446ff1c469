"""Tries objlib on a scratch copy, with trouble on, and fails if anything is off.

    python -m tests.acceptance              writes docs/validation.md
    python -m tests.acceptance --dry-run    writes nothing

Real processes, a real server on a socket, a catalog of the earlier generation with 1,749 indexed
rows, and a library of new files.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.operators import fulfilments
from tests.acceptance.scratch import INDEXED, ROOT, make_scratch
from tests.acceptance.transcript import Transcript

PAGE = ROOT / "docs" / "validation.md"
LIMIT = 20
ROAD = [
    ("untracked", "uploading"),
    ("uploading", "processing"),
    ("processing", "indexed"),
]
STATES = "SELECT gemini_state, COUNT(*) FROM files GROUP BY gemini_state"
NEW = "file_path NOT LIKE '/old/%'"

INTRODUCTION = """# Validation

One acceptance run, word for word, written by `python -m tests.acceptance`. It works on a scratch
copy: a catalog of the earlier generation with 1,749 indexed rows, the store with their documents,
and the library in `examples/library` as the new files. The server misbehaves on purpose: refusals,
lost answers to imports, imports that make no document, documents that fail and come alive later.
Waits are shortened; only the path of the scratch folder was taken out. It fails when one line of
the table says NO.
"""


def main() -> int:
    """Run it; 1 if anything is off."""
    with tempfile.TemporaryDirectory(prefix="objlib-acceptance-") as name:
        folder = Path(name)
        make_scratch(folder)
        transcript = Transcript(folder)
        with _server(transcript):
            _tell(transcript)
        _operators(transcript)
    if "--dry-run" not in sys.argv[1:]:
        PAGE.write_text(transcript.page(INTRODUCTION), "utf-8")
    for failure in transcript.failures:
        sys.stderr.write(f"OFF: {failure}\n")
    total = len(transcript.checks)
    sys.stdout.write(f"\n{total - len(transcript.failures)} of {total} checks hold\n")
    return 1 if transcript.failures else 0


@contextlib.contextmanager
def _server(transcript: Transcript) -> Iterator[None]:
    with transcript.start("serve", "--port", "0", "--faults", "faults.toml") as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://[\w.:]+", server.stdout.readline())
            assert found is not None, "the server did not start"
            transcript.environment["OBJLIB_BASE_URL"] = found[0]
            yield
        finally:
            server.terminate()
            server.communicate()


def _tell(transcript: Transcript) -> None:
    before = _before(transcript)
    _limited_upload(transcript)
    _trails(transcript)
    _two_at_once(transcript)
    _sudden_death(transcript)
    _afterwards(transcript, before)


def _before(t: Transcript) -> str:
    t.heading("Before")
    t.query("PRAGMA user_version")
    t.query(STATES)
    before = _fingerprint(t)
    t.run("scan", "--library", "library")
    backups = sorted(path.name for path in (t.folder / "data").glob("*.bak"))
    t.check(
        "the old catalog was backed up before it was migrated", bool(backups), ", ".join(backups)
    )
    t.check("a scan of new files touches no old row", _fingerprint(t) == before, before[:12])
    t.query(STATES)
    return before


def _limited_upload(t: Transcript) -> None:
    t.heading(f"Upload {LIMIT} files")
    t.run("fsm-upload", "--limit", str(LIMIT), "--events", "events-1.jsonl")
    t.query(STATES)
    seen = t.query(f"SELECT gemini_state, COUNT(*) FROM files WHERE {NEW} GROUP BY gemini_state")
    new = dict(seen)
    t.check(f"exactly {LIMIT} new files are indexed", new.get("indexed") == LIMIT, str(new))
    t.run("store-sync", "--apply")
    out = t.run("store-sync")
    t.check(
        "every indexed row has its document",
        f"Canonical documents: {INDEXED + LIMIT:,}" in out,
        out.splitlines()[1] if len(out.splitlines()) > 1 else out,
    )


def _trails(t: Transcript) -> None:
    t.heading("The audit trail of each file")
    paths = [
        str(path)
        for (path,) in t.rows(
            f"SELECT file_path FROM files WHERE {NEW} AND gemini_state = 'indexed' ORDER BY 1"
        )
    ]
    wrong = []
    for path in paths:
        t.run("history", path)
        moves = t.rows(
            "SELECT from_state, to_state, version FROM transitions"
            f" WHERE file_path = '{path.replace(chr(39), chr(39) * 2)}' ORDER BY id"
        )
        ends_well = [move[:2] for move in moves[-3:]] == ROAD
        counts_up = [version for *_, version in moves] == list(range(1, len(moves) + 1))
        if not (ends_well and counts_up):
            wrong.append(path)
    t.check(
        "each file came to `indexed` by every state on the road, versions without a gap",
        not wrong,
        f"{len(paths)} files" if not wrong else ", ".join(wrong),
    )


def _two_at_once(t: Transcript) -> None:
    t.heading("Two runs at once, and what was seen of conflicts and retries")
    names = ("events-2.jsonl", "events-3.jsonl")
    runs = [t.start("fsm-upload", "--retry-failed", "--events", name) for name in names]
    for name, run in zip(names, runs, strict=True):
        out, _ = run.communicate(timeout=300)
        t.show(f"objlib fsm-upload --retry-failed --events {name} &", out)
        t.check("a run beside another ends well", run.returncode in (0, 1), str(run.returncode))
    kinds = t.events("events-1.jsonl", *names)
    t.note(
        f"Conflicts (another run had moved the row first): {kinds['FileTaken']}. Calls repeated:"
        f" {kinds['CallRetried']}. Documents that showed FAILED: {kinds['DocumentShownFailed']}."
        f" Retry passes: {kinds['RetryPassScheduled']}. Files that failed for the time being:"
        f" {kinds['FileFailed']}."
    )
    t.check(
        "there was trouble, and it was met by retries",
        kinds["CallRetried"] > 0,
        f"{kinds['CallRetried']} calls repeated",
    )
    doubled = t.rows(
        "SELECT upload_key FROM files WHERE upload_key IS NOT NULL GROUP BY 1 HAVING COUNT(*) > 1"
    )
    t.check("no key belongs to two files", not doubled, str(len(doubled)))


def _sudden_death(t: Transcript) -> None:
    t.heading("Sudden death")
    for number in range(12):
        (t.folder / "library" / f"Late {number}.txt").write_text(f"A late text, number {number}.\n")
    t.run("scan")
    with t.start("fsm-upload", "--concurrency", "4") as run:
        in_flight = "SELECT COUNT(*) FROM files WHERE gemini_state IN ('uploading', 'processing')"
        while run.poll() is None and t.rows(in_flight) == [(0,)]:
            time.sleep(0.01)
        run.kill()
        out, _ = run.communicate()
    t.show("objlib fsm-upload --concurrency 4 & sleep …; kill -9 $!", out)
    t.query(STATES)
    out = t.run("recover", "--json")
    t.run("fsm-upload", "--retry-failed")
    left = t.rows(in_flight)[0][0]
    t.check("no row is left in flight after kill -9 and one rerun", left == 0, str(left))


def _afterwards(t: Transcript, before: str) -> None:
    t.heading("Afterwards")
    for _ in range(3):  # the server goes on failing one import in twenty
        waiting = t.rows(
            f"SELECT COUNT(*) FROM files WHERE {NEW} AND gemini_state <> 'indexed'"
            " AND skip_reason IS NULL"
        )
        if waiting == [(0,)]:
            break
        t.run("fsm-upload", "--retry-failed")
    t.run("store-sync", "--apply")
    t.run("store-sync")
    t.query(f"SELECT gemini_state, COUNT(*) FROM files WHERE {NEW} GROUP BY gemini_state")
    t.query(
        "SELECT COUNT(*), SUM(gemini_state = 'indexed') FROM files WHERE file_path LIKE '/old/%'"
    )
    after = _fingerprint(t)
    t.check(
        "all 1,749 rows indexed before are byte for byte as they were",
        after == before,
        f"{before[:12]} … {after[:12]}",
    )
    new = dict(
        t.rows(f"SELECT gemini_state, COUNT(*) FROM files WHERE {NEW} GROUP BY gemini_state")
    )
    t.check("every new file is indexed", set(new) == {"indexed"}, str(new))
    requests = re.search(r'"requests": (\d+)', t.run("fsm-upload", "--json"))
    sent = int(requests[1]) if requests else -1
    t.check(
        "a last upload sends nothing but a look at the store", 0 <= sent <= 3, f"{sent} requests"
    )


def _operators(t: Transcript) -> None:
    t.heading("What the pipeline is made of")
    t.note("The lines of decision 7, and where the source bears them out.")
    for line in fulfilments():
        words = ["grep", "-nF", f"{line.operator}(", f"src/objlib/{line.module}"]
        found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        t.show(shlex.join(words), found.stdout)
        calls = len(line.places())
        t.check(f"{line.demand}: `{line.operator}`", calls > 0, f"{line.module}, {calls} calls")


def _fingerprint(t: Transcript) -> str:
    """SHA-256 over all that the earlier generation wrote in its indexed rows."""
    columns = (
        "file_path, content_hash, filename, file_size, metadata_json, ai_metadata_status,"
        " gemini_file_id, gemini_file_uri, upload_timestamp, error_message, is_deleted, mtime,"
        ' last_upload_hash, intent_type, "odd, (name)", gemini_store_doc_id, gemini_state,'
        " gemini_state_updated_at, version, created_at, updated_at"
    )
    rows = t.rows(
        f"SELECT {columns} FROM files WHERE gemini_state = 'indexed' AND file_path LIKE '/old/%'"
        " ORDER BY file_path"
    )
    t.check(f"{INDEXED:,} old rows are indexed", len(rows) == INDEXED, f"{len(rows):,}")
    return hashlib.sha256(repr(rows).encode()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
