"""A folder that is written to while it is scanned."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from objlib.catalog.opening import open_catalog
from objlib.library.metadata import DEFAULT_TEMPLATES
from objlib.library.scan import scan_library
from objlib.library.scan_report import ScanReport
from objlib.upload.state import AsyncUploadStateManager

FILES = 300
SCANS = 4

#: Creates, rewrites, truncates, renames and deletes until its end is read.
WRITER = """
import os, random, select, sys
root, rng = sys.argv[1], random.Random(int(sys.argv[2]))
print("writing", flush=True)
done = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    folder = os.path.join(root, f"{rng.randrange(10)}")
    path = os.path.join(folder, f"{rng.randrange(60):02}.txt")
    other = os.path.join(root, f"{rng.randrange(10)}", f"{rng.randrange(60):02}.txt")
    match rng.randrange(5):
        case 0 | 1:
            with open(path, "w") as file:
                file.write(f"{done} " + "x" * (done % 997))  # the same length hardly twice in a row
        case 2:
            if os.path.exists(path):
                os.truncate(path, max(1, os.path.getsize(path) // 2))
        case 3:
            if os.path.exists(path):
                os.replace(path, other)
        case 4:
            if os.path.exists(path):
                os.unlink(path)
    done += 1
print(done)
"""


def on_disk(root: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.txt")
    }


def scan(database: Path, root: Path) -> ScanReport:
    """One scan."""

    async def main() -> ScanReport:
        async with await open_catalog(database, create=True) as catalog:
            return await scan_library(
                catalog,
                root,
                templates=DEFAULT_TEMPLATES,
                lifecycle=AsyncUploadStateManager(catalog),
            )

    return asyncio.run(main())


def test_a_quiet_scan_gives_the_disk_after_scans_in_a_storm(tmp_path: Path) -> None:
    """No scan of a folder in motion crashes, and what it saw wrongly the next one puts right."""
    root, database = tmp_path / "library", tmp_path / "library.db"
    for number in range(FILES):
        path = root / f"{number % 10}" / f"{number // 10:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number} words")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        for _ in range(SCANS):
            scan(database, root)
        said, _ = writer.communicate("\n")
    assert int(said) > SCANS  # it was at it all the time
    scan(database, root)
    with closing(sqlite3.connect(database)) as plain:
        rows = plain.execute(
            "SELECT file_path, content_hash FROM files WHERE is_deleted = 0 AND skip_reason IS NULL"
        ).fetchall()
    assert dict(rows) == on_disk(root)
    quiet = scan(database, root)
    assert (quiet.found, quiet.unchanged) == (len(rows), len(rows))
