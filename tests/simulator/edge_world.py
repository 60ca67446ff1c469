"""A world whose catalog may be lost, old or copied, and whose answers may be none.

The people in it do what they are told: where a run says that the catalog is lost, they give it back
with the one command that it names, and go on.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx2

from objlib.backend import in_process
from objlib.documents.payload import LIBRARY, PATH, SHA256
from objlib.errors import CatalogLost, Hint, ObjlibError
from objlib.filestore import FaultPlan, create_app
from objlib.sync.plan import Consent
from tests.simulator import catalogs, commands, invariants, rounds
from tests.simulator.harder import Harder, HarderWorld, SuspendingLoop
from tests.simulator.invariants import Moment, StoredDocument
from tests.simulator.lies import Liar
from tests.simulator.scenario import Action
from tests.simulator.story import Ambush, Edges
from tests.simulator.wire import Exchange
from tests.simulator.world import RETRY, SCAN, SYNC, Command, Violated

#: Somebody has looked at what is left for people to judge, and lets it go.
CONSENT = Action("store-sync", options=(("twins", True), ("elsewhere", True)))
#: How often people follow the advice of one message.
PATIENCE = 5
#: Virtual seconds after which a run that has not had one thing accepted must have told so.
REFUSED_MAX_S = 5400.0
_SENDING = ("upload", "round")
_AGAIN = (SCAN, RETRY, SYNC)


@dataclass(frozen=True, slots=True)
class _Machine:
    """The place where people work: a library and its catalog."""

    root: Path
    catalog: Path


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a process began with.

    Args:
        generation: of the catalog; another one when something has happened to it.
        is_lost: the store had the files of this library, and the catalog had uploaded nothing.
    """

    action: Action
    generation: int
    is_lost: bool
    at_s: float


class EdgeWorld(HarderWorld):
    """The store is one; machines, catalogs and library ids come and go."""

    commands: ClassVar[Mapping[str, Command]] = rounds.COMMANDS
    at_last: ClassVar[tuple[Action, ...]] = (*_AGAIN, *_AGAIN, CONSENT, *_AGAIN)

    def __init__(self, edges: Edges, folder: Path, loop: SuspendingLoop) -> None:
        super().__init__(Harder(edges.scenario, page=edges.page), folder, loop)
        self._edges = edges
        self._folder = folder
        self._here = _Machine(self.root, self.catalog_path)
        self._there = _Machine(folder / "other" / "library", folder / "other" / "library.db")
        self._libraries = [commands.LIBRARY]
        self._begun: dict[int, _Begun] = {}
        self._generation = 0
        self._error: ObjlibError | None = None
        self._recoveries = 0
        self._sly_edits = 0
        self._arrived = {"upload": 0, "import": 0}
        self._is_over = False
        self._stepped_at_s = -1.0
        self._liar = Liar(
            self.wire.app,
            in_process(create_app(self._store, faults=FaultPlan(()))),
            random.Random(f"lies {edges.scenario.seed}"),
            self._on_elsewhere,
            edges.lies,
        )
        self.wire.app = self._liar

    def note(self, what: str) -> None:
        super().note(what.replace(str(self._folder), ""))  # where that lies is chance

    def new_library(self) -> str:
        """Return the id of a catalog that is made anew."""
        self._libraries.append(f"library {len(self._libraries) + 1}")
        return self._libraries[-1]

    # What happens

    async def act(self, action: Action) -> Any:
        match action.kind:
            case "lose catalog":
                await self._change_catalog(action, catalogs.lose)
            case "empty catalog":
                await self._change_catalog(action, catalogs.empty)
            case "restore catalog" if self._backup.exists():
                await self._change_catalog(action, lambda path: catalogs.copy(self._backup, path))
            case "older schema":
                await self._change_catalog(
                    action, lambda path: catalogs.make_older(path, action.file)
                )
            case "go to the other machine":
                await self._change_catalog(action, lambda _path: self._go())
            case "back up catalog" if catalogs.is_there(self.catalog_path):
                await self._all_over()
                self.note(f"> {action}")
                catalogs.copy(self.catalog_path, self._backup)
            case "restore catalog" | "back up catalog":
                pass  # there is none
            case "sly edit":
                self.note(f"> {action}")
                self._edit_in_place(action.file)
            case kind if kind in self.commands:
                return await self._follow_advice(action)
            case _:
                return await super().act(action)
        return None

    @property
    def _backup(self) -> Path:
        return self.catalog_path.with_name("backup.db")

    async def _all_over(self) -> None:
        others, self._others = self._others, []
        for other in others:
            await other

    async def _change_catalog(self, action: Action, change: Callable[[Path], None]) -> None:
        """Let the catalog become another one, between two runs."""
        await self._all_over()
        self.note(f"> {action}")
        if self._catalog_eye is not None:
            self._catalog_eye.close()
            self._catalog_eye = None
        change(self.catalog_path)
        self._generation += 1
        self._look_afresh()

    def _look_afresh(self) -> None:
        """Hold nothing against a catalog that it cannot know."""
        facts = self._facts
        facts.elsewhere |= {str(document.key) for document in self.documents().values()}
        facts.once_indexed.clear()
        self._looked_at = (-1, -1)
        self._transitions_seen, self._indexed_by = 0, {}
        if not catalogs.is_there(self.catalog_path):
            return
        eye = self._catalog_eye = sqlite3.connect(self.catalog_path, isolation_level=None)
        self._transitions_seen = eye.execute("SELECT MAX(id) FROM transitions").fetchone()[0] or 0
        moment = self._moment()
        rows = moment.rows.values()
        self._indexed_by = {row.path: row.document for row in rows}
        named = {row.document for row in rows} | {row.superseded for row in rows}
        facts.lost_documents |= {name for name in named if name} - moment.documents.keys()

    def _go(self) -> None:
        """Go to the other machine, which begins as a copy of this one."""
        here, there = self._here, self._there
        if not there.root.exists():
            there.root.parent.mkdir()
            shutil.copytree(here.root, there.root)
            if catalogs.is_there(here.catalog):
                catalogs.copy(here.catalog, there.catalog)
                with closing(sqlite3.connect(there.catalog)) as copied, copied:
                    copied.execute(
                        "UPDATE catalog_info SET value = ? WHERE key = 'library_root'",
                        (str(there.root),),
                    )
        self._here, self._there = there, here
        self.root, self.catalog_path = there.root, there.catalog

    def _edit_in_place(self, number: int) -> None:
        """Write other bytes of the same length, and set the time back: only the ctime tells."""
        paths = sorted(self.root.rglob("*.txt"))
        if not paths:
            return
        path = paths[number % len(paths)]
        before = path.stat()
        self._sly_edits += 1
        self._edited.add(path.relative_to(self.root).as_posix())
        with path.open("r+b") as file:
            file.write(f"{self._sly_edits:04d}".encode())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        while path.stat().st_ctime_ns == before.st_ctime_ns:  # the kernel's clock is coarse
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    # People

    async def _follow_advice(self, action: Action) -> Any:
        """Carry a command out; where it finds the catalog lost, give that back and try again."""
        for _ in range(PATIENCE):
            self._error = None
            result = await super().act(action)
            if not isinstance(self._error, CatalogLost):
                return result
            if self._error.hint is not Hint.RECOVER_FROM_STORE:
                raise Violated(f"L7 a lost catalog, and no word of what helps: {self._error}")
            await self._give_back()
        return None

    async def _give_back(self) -> None:
        dies_at = self._edges.recovery_dies_at if not self._recoveries else None
        self._recoveries += 1
        self._error = None
        await super().act(Action("from store", dies_at_step=dies_at))
        if self._is_ambiguous():
            options = (("library_id", self._own_library()),)
            await super().act(Action("from store", options=options))

    def _is_ambiguous(self) -> bool:
        return self._error is not None and self._error.hint is Hint.NAME_LIBRARY_ID

    def _own_library(self) -> str:
        """Return the library with most documents."""
        of_ours = [document.metadata.get(LIBRARY) for document in self.documents().values()]
        return max(self._libraries, key=of_ours.count)

    def failed_with(self, error: ObjlibError) -> None:
        self._error = error

    async def _run(self, action: Action) -> Any:
        number = len(self._processes) + 1
        is_lost = action.kind in _SENDING and self._seems_lost()
        begun = _Begun(action, self._generation, is_lost, self.loop.elapsed_s())
        self._begun[number] = begun
        result = await super()._run(action)
        self._require(self._not_told_in_time(number))
        return result

    # Ambushes

    def _spring(self, place: str, exchange: Exchange) -> None:
        """Let happen what lies in wait for this raw file or import."""
        self._arrived[place] += 1
        number = _process_number(exchange)
        if self._is_over or number is None or self._processes[number - 1].has_ended:
            return
        for ambush in self._edges.ambushes:
            if (ambush.place, ambush.number) != (place, self._arrived[place]):
                continue
            # Not in this very step, in which a lease may have been renewed for a request.
            self.loop.call_later(1e-6 + ambush.after_s, self._strike, ambush, number)

    def _strike(self, ambush: Ambush, number: int) -> None:
        process = self._processes[number - 1]
        if process.has_ended:
            return
        self.note(f"> {ambush}: {process.owner}")
        self._leases_may_lapse = True
        if ambush.kind == "clock":
            self._clock_offset_s += ambush.seconds
            self._stepped_at_s = self.loop.elapsed_s()
        else:
            self._suspending.suspend(process, ambush.seconds)
        self.later(ambush.rival_after_s, Action("upload"), lambda: None)

    # Watching

    def _look(self) -> None:
        if self._catalog_eye is None:
            if not catalogs.is_there(self.catalog_path):
                return
            self._catalog_eye = sqlite3.connect(self.catalog_path, isolation_level=None)
        super()._look()

    def _moment(self) -> Moment:
        if self._catalog_eye is None:
            return Moment({}, self.documents(), frozenset())
        for (library,) in self._ask("SELECT value FROM catalog_info WHERE key = 'library_id'"):
            self._facts.library_id = library
        return super()._moment()

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        return [] if self._catalog_eye is None else self._catalog_eye.execute(sql).fetchall()

    def _on_elsewhere(self, request: httpx2.Request) -> None:
        self._extend([f"S11 {request.method} {request.url.path} goes to {request.url.host}"])

    def _on_sent(self, exchange: Exchange) -> None:
        if exchange.path.endswith(":importFile"):
            self._extend(self._under_a_fresh_lease(exchange))

    def _under_a_fresh_lease(self, exchange: Exchange) -> Iterator[str]:
        """S6, where clocks step and processes sleep: the lease was renewed just before."""
        found = list(invariants.imports_under_its_lease(exchange, self._moment()))
        yield from found
        if found or self._stepped_at_s == self.loop.elapsed_s():
            return
        ends = self._ask(
            f"SELECT lease_expires_at FROM files WHERE upload_key = '{_key_of(exchange)}'"
        )
        left_s = max(float(end) for (end,) in ends) - self.client_clock().timestamp()
        if left_s < self.scenario.waits.lease_s / 2:
            yield f"S6 {exchange.sender} imports under a lease that ends in {left_s:.0f} s"

    def _on_arrival(self, exchange: Exchange) -> None:
        is_import = exchange.path.endswith(":importFile")
        if is_import:
            self._spring("import", exchange)
        begun = self._begun.get(_process_number(exchange) or 0)
        is_past = begun is not None and begun.generation != self._generation
        if exchange.method == "DELETE" and "/documents/" in exchange.path:
            if is_past:  # of a catalog that is no more
                self._facts.lost_documents.add(_document_of(exchange))
            else:
                self._extend(self._deletes(exchange, begun))
        elif is_import and is_past:
            self._facts.late_keys.add(_key_of(exchange))
        else:
            if is_import and begun is not None and begun.is_lost:
                self._extend([f"S9 {exchange.sender} imports, although the catalog is lost"])
            super()._on_arrival(exchange)

    def _on_effect(self, exchange: Exchange) -> None:
        super()._on_effect(exchange)
        is_raw_file = "/upload/" in exchange.path and not exchange.body.startswith(b"{")
        if is_raw_file and exchange.status == httpx2.codes.OK:
            self._spring("upload", exchange)

    def _deletes(self, exchange: Exchange, begun: _Begun | None) -> Iterator[str]:
        """S8: only what no row needs, what this catalog knows, and what people agreed to."""
        moment, name = self._moment(), _document_of(exchange)
        document = moment.documents.get(name)
        if document is None or name in self._facts.lost_documents:
            return
        asked = begun is not None and begun.action.kind == "store-sync"
        consent = Consent(**dict(begun.action.options)) if asked and begun else Consent()
        said = f"S8 {exchange.sender} deletes {name}"
        library = document.metadata.get(LIBRARY)
        if document.key is None or library not in self._libraries:
            yield f"{said}, which is not ours"
        elif library != self._facts.library_id:
            if not (consent.twins and _has_own(document, moment)):
                yield f"{said}, which is of another library"
        elif not consent.elsewhere and not self._knows(document, moment):
            yield f"{said}, which another state of the catalog has made"
        for row in moment.rows.values():
            if row.document == name and row.is_searchable and document.is_active:
                yield f"{said}, the document of {row.path}"

    def _knows(self, document: StoredDocument, moment: Moment) -> bool:
        named = {row.document for row in moment.rows.values()} | moment.leftovers
        named |= {row.superseded for row in moment.rows.values()}
        keys = {row.key for row in moment.rows.values()}
        trail = self._ask("SELECT upload_key FROM transitions WHERE upload_key IS NOT NULL")
        return document.name in named or document.key in keys | {key for (key,) in trail}

    def _seems_lost(self) -> bool:
        """Return whether the store has the files of this library, and the catalog none of them.

        At least half of another library's documents are of files that lie here.
        """
        moment = self._moment()
        if any(row.key or row.document for row in moment.rows.values()):
            return False
        if self._ask("SELECT 1 FROM catalog_info WHERE key = 'recovering'"):
            return False
        (own,) = self._ask("SELECT value FROM catalog_info WHERE key = 'library_id'") or [("",)]
        on_disk = self._on_disk()
        for library in self._libraries:
            documents = [
                document
                for document in moment.documents.values()
                if document.metadata.get(LIBRARY) == library != own[0] and not document.is_failed
            ]
            here = sum(
                on_disk.get(document.metadata[PATH]) == document.metadata[SHA256]
                for document in documents
            )
            if documents and here * 2 >= len(documents):
                return True
        return False

    def _on_disk(self) -> dict[str, str]:
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.root.rglob("*.txt")
        }

    # At last

    async def _come_to_rest(self) -> None:
        self._is_over = True
        await self._all_over()
        self._liar.lies = ()
        await super()._come_to_rest()

    def _not_told_in_time(self, number: int) -> Iterator[str]:
        """L6: a run of which nothing is accepted is over soon."""
        begun, process = self._begun[number], self._processes[number - 1]
        took_s = self.loop.elapsed_s() - begun.at_s
        if begun.action.kind not in _SENDING or took_s < REFUSED_MAX_S:
            return
        sent = [one for one in self.wire.exchanges if one.sender == process.owner]
        posted = [one.status for one in sent if one.method == "POST"]
        if posted and httpx2.codes.OK not in posted and not self._leases_may_lapse:
            yield f"L6 {process.owner} went on for {took_s:.0f} s, and nothing was accepted"

    def _audit(self) -> None:
        super()._audit()
        on_disk = self._on_disk()
        for row in self._moment().rows.values():
            if row.is_searchable and on_disk.get(row.path) != row.content_hash:
                raise Violated(f"L2 {row.path} is indexed with other content than is on disk")


def _process_number(exchange: Exchange) -> int | None:
    number = exchange.sender.split("/")[-2:-1]
    return int(number[0]) if number else None


def _document_of(exchange: Exchange) -> str:
    return exchange.path.partition("/v1beta/")[2]


def _key_of(exchange: Exchange) -> str:
    return str(json.loads(exchange.body)["fileName"]).removeprefix("files/")


def _has_own(document: StoredDocument, moment: Moment) -> bool:
    """Return whether a twin's file has a document of this library, too."""
    row = moment.rows.get(document.metadata.get(PATH, ""))
    is_same = row is not None and row.content_hash == document.metadata.get(SHA256)
    return row is not None and row.is_searchable and is_same
