"""The catalog's disk is full, or a newer objlib has written it: every method says so and ends."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from objlib import Library, open_view
from objlib.config import load_settings
from objlib.errors import CatalogError
from tests.conftest import write_library

#: Scans and uploads a little, makes work for everybody, then lets no file grow any more.
FULL = """
import asyncio, json, resource, signal
from pathlib import Path
from objlib import Library, MaxDelete, ObjlibError

async def listened(run):
    async for _ in run:
        pass

async def ending(work):
    try:
        await work
    except ObjlibError as error:
        return f"{type(error).__name__}: {error}"
    return "done"

async def main():
    root = Path("library")
    async with Library.open(root) as library:
        await library.scan()
        await library.upload(limit=4)
        indexed = (await library.files(state="indexed")).files[0].file_path
        (root / indexed).unlink()
        await library.scan()
        plan = await library.plan_sync()
        report = await library.survey()
        (root / "new.txt").write_text("One more.")

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        writing = {
            "scan": library.scan,
            "plan_sync": library.plan_sync,
            "upload": library.upload,
            "recover": library.recover,
            "verify": library.verify,
            "sync": lambda: library.sync(plan),
            "repair": lambda: library.repair(report, MaxDelete(share=1.0)),
        }
        endings = {}
        for name, run in writing.items():
            endings[name] = await ending(run())
            endings[f"async for … in {name}"] = await ending(listened(run()))
        endings["rebuild"] = await ending(library.rebuild())
        endings["declare_new_library"] = await ending(library.declare_new_library())
        reading = {
            "bound": library.bound(),
            "status": library.status(),
            "failures": library.failures(),
            "files": library.files(),
            "history": library.history(indexed),
            "leaving": library.leaving(),
            "plan": library.plan(),
            "planned_files": listened(library.planned_files()),
            "survey": library.survey(),
            "survey_lines": listened(library.survey_lines(report)),
            "repair_steps": listened(library.repair_steps(report)),
            "refusal": library.refusal(report, MaxDelete(share=1.0)),
            "search": library.search("one"),
        }
        questions = {name: await ending(question) for name, question in reading.items()}
    print(json.dumps([endings, questions]))

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_ends_every_method_that_writes_and_no_question(workplace: Path) -> None:
    """Each is over and has said which disk, also to who listens; what only reads still answers."""
    write_library(workplace / "library", 6)
    ran = subprocess.run(
        [sys.executable, "-c", FULL],
        cwd=workplace,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    endings, questions = json.loads(ran.stdout)

    # A repair begins in the store, and the embedded one lies on the same disk.
    repairs = [endings.pop("repair"), endings.pop("async for … in repair")]
    assert [said.partition(":")[0] for said in repairs] == ["StorageFull"] * 2
    wrong = {
        name: said
        for name, said in endings.items()
        if not said.startswith("CatalogError: the disk of the catalog")
    }
    assert wrong == {}
    assert set(questions.values()) == {"done"}, questions
    assert "Traceback" not in ran.stderr
    assert "never retrieved" not in ran.stderr


def test_a_catalog_of_a_newer_objlib_is_never_opened(workplace: Path) -> None:
    """Neither to work with it, by folder or without, nor to look at it; it stays as it is."""
    root = workplace / "library"
    write_library(root, 1)

    async def scan() -> None:
        async with Library.open(root) as library:
            await library.scan()

    asyncio.run(scan())
    path = load_settings().db
    with closing(sqlite3.connect(path)) as plain:
        [newer] = plain.execute("PRAGMA user_version").fetchone()
        plain.execute(f"PRAGMA user_version = {newer + 1}")
    before = path.read_bytes()

    async def opened() -> list[CatalogError]:
        refused = []
        for opening in (Library.open(root), Library.open(), open_view(load_settings())):
            with pytest.raises(CatalogError, match="upgrade objlib") as told:
                async with opening:
                    raise AssertionError("opened")
            refused.append(told.value)
        return refused

    assert len({str(error) for error in asyncio.run(opened())}) == 1
    assert path.read_bytes() == before
