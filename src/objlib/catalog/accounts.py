"""Tells a catalog that knows its store from one that was lost, is older than the store, or a copy.

The store counts its documents, and the catalog knows how many its rows name. The difference
(documents of others, say) is noted at every listing. Where it is another one later, or a document
has gone that a row expects to replace, something has happened that this catalog has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info, set_info
from objlib.catalog.records import COLUMNS, UPLOADABLE, FileRecord

#: Keys in `catalog_info`. Documents in the store that no row names, by the last listing.
UNNAMED = "unnamed_documents"
_UNKNOWN = ""
#: Documents of this library that the last listing showed and the catalog has never seen.
NEWS = "unseen_documents"
#: "1": other libraries in the store may hold the same files, and somebody has said so.
NEW_LIBRARY = "new_library"
#: The library whose documents a recovery has begun to take over, and not finished.
RECOVERING = "recovering"
#: Documents made up to this moment may have keys that the trail does not know: ISO 8601, UTC.
KEYS_RECORDED_SINCE = "keys_recorded_since"


@dataclass(frozen=True, slots=True)
class Account:
    """The documents that the catalog expects in the store."""

    #: Named by rows, as current or superseded, or left over.
    named: int
    #: Not named by any row when the store was listed last, but known; negative when some were gone.
    #: None while a look at the store is unfinished.
    unnamed: int | None
    #: Rows under a live lease, each of which may have just made a document.
    in_flight: int

    def agrees_with(self, counted: int) -> bool:
        """Return whether a store that counts so many documents holds what was expected."""
        if self.unnamed is None:
            return False
        expected = self.named + self.unnamed
        return expected <= counted <= expected + self.in_flight


async def account(catalog: Catalog) -> Account:
    """Return the number of documents that the store should hold."""
    unnamed = await get_info(catalog, UNNAMED)
    row = await catalog.reader.fetch_one(
        "SELECT COUNT(*) FROM files WHERE gemini_state IN ('uploading', 'processing')"
        " AND lease_expires_at > ?",
        (catalog.clock().timestamp(),),
    )
    in_flight = int(row[0]) if row else 0
    known = None if unnamed == _UNKNOWN else int(unnamed or 0)
    return Account(await count_named(catalog), known, in_flight)


async def begin_look(catalog: Catalog) -> None:
    """Let nothing be accounted for until `note_listed`: who is killed before that looks again."""
    await set_info(catalog, **{UNNAMED: _UNKNOWN})


async def count_named(catalog: Catalog) -> int:
    """Return the number of documents that rows name, and of those left over."""
    row = await catalog.reader.fetch_one(
        "SELECT (SELECT COUNT(*) FROM files WHERE gemini_store_doc_id IS NOT NULL)"
        " + (SELECT COUNT(*) FROM files WHERE superseded_doc_id IS NOT NULL)"
        " + (SELECT COUNT(*) FROM leftovers)"
    )
    return int(row[0]) if row else 0


async def note_listed(catalog: Catalog, documents: int, *, news: int) -> None:
    """Remember that the store was listed, and held so many documents.

    Args:
        news: documents of this library among them that the catalog has never seen. They stay
            unaccounted for: their files may come to lie here, and would be sent again.
    """
    unnamed = str(documents - news - await count_named(catalog))
    facts = {UNNAMED: unnamed, NEWS: str(news)}
    changed = {key: fact for key, fact in facts.items() if await get_info(catalog, key) != fact}
    if changed:
        await set_info(catalog, **changed)


async def has_news(catalog: Catalog) -> bool:
    """Return whether the last listing showed documents of this library that it has never seen."""
    return await get_info(catalog, NEWS) not in (None, "0")


async def note_repaired(catalog: Catalog, named_before: int, deleted: int) -> None:
    """Remember what a repair has deleted of a store that was listed before it.

    Nothing is known while another look at the store is unfinished, and stays so.
    """
    unnamed = await get_info(catalog, UNNAMED)
    if unnamed == _UNKNOWN:
        return
    left = int(unnamed or 0) + named_before - deleted - await count_named(catalog)
    await set_info(catalog, **{UNNAMED: str(left)})


async def has_uploaded(catalog: Catalog) -> bool:
    """Return whether any file was ever sent by this catalog, or has a document."""
    row = await catalog.reader.fetch_one(
        "SELECT 1 FROM files WHERE upload_key IS NOT NULL OR gemini_store_doc_id IS NOT NULL"
        " OR gemini_file_id IS NOT NULL LIMIT 1"
    )
    return row is not None


async def replacing_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Return rows at rest whose document is about to go, after a path.

    A newer version of the file waits to be sent or was just indexed, or the file is gone from disk.
    """
    rows = await catalog.reader.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE file_path > ? AND ("
        f" (superseded_doc_id IS NOT NULL AND gemini_state IN ('untracked', 'failed')"
        f"  AND {UPLOADABLE})"
        "  OR (superseded_doc_id IS NOT NULL AND gemini_state = 'indexed')"
        "  OR (is_deleted = 1 AND gemini_state = 'indexed' AND gemini_store_doc_id IS NOT NULL))"
        " ORDER BY file_path LIMIT ?",
        (after or "", size),
    )
    return [FileRecord.from_row(row) for row in rows]
