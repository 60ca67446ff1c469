"""A store that is gone gives way to a new one: the exchange, and the rows that it leaves to do.

The exchange is one transaction, and leaves a mark. Until all that the rows say of the gone store is
put right, whatever runs next goes on with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from objlib.catalog.accounts import NEWS, RECOVERING, UNNAMED
from objlib.catalog.binding import STORE_NAME
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import forget_info, get_info
from objlib.catalog.records import COLUMNS, FileRecord
from objlib.catalog.resets import RESET_SINCE

#: Number of the last transition before the exchange, as long as rows may tell of the gone store.
EXCHANGED_AFTER = "store_exchanged_after"


async def exchange_store(catalog: Catalog, gone: str, new: str) -> str:
    """Bind the catalog to another store in the place of one that is gone.

    Returns:
        The store that it is bound to then: another one, if another process was faster.
    """
    async with catalog.transaction(durable=True):
        exchanged = await catalog.fetch_one(
            "UPDATE catalog_info SET value = ? WHERE key = ? AND value = ? RETURNING value",
            (new, STORE_NAME, gone),
        )
        if exchanged is not None:
            await catalog.execute(
                "INSERT INTO catalog_info (key, value)"
                " SELECT ?, CAST(COALESCE(MAX(id), 0) AS TEXT) FROM transitions"
                " WHERE true ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (EXCHANGED_AFTER,),
            )
            # Counts, documents and a reset of the gone store; every file goes round again anyhow.
            await catalog.execute("DELETE FROM leftovers")
            await catalog.execute(
                "DELETE FROM catalog_info WHERE key IN (?, ?, ?, ?)",
                (UNNAMED, NEWS, RECOVERING, RESET_SINCE),
            )
        row = await catalog.fetch_one("SELECT value FROM catalog_info WHERE key = ?", (STORE_NAME,))
    return str(row[0]) if row else new


async def is_exchanged(catalog: Catalog) -> bool:
    """Return whether rows may still tell of a store that is gone."""
    return await get_info(catalog, EXCHANGED_AFTER) is not None


async def exchange_is_over(catalog: Catalog, store_name: str) -> None:
    """Take the mark away, once no row tells of the gone store."""
    if not await rows_of_gone_store(catalog, store_name, None, 1):
        await forget_info(catalog, EXCHANGED_AFTER)


@dataclass(frozen=True, slots=True)
class GoneNames:
    """A row that tells of a store that is gone."""

    record: FileRecord
    #: It has not moved since the exchange.
    is_as_before: bool
    #: Its document is in the gone store or, where it has none, its import was.
    is_attempt: bool
    #: The columns with names in the gone store.
    columns: tuple[str, ...]


#: Columns with names that begin with that of a store. Raw files are in none.
_NAMES = ("gemini_store_doc_id", "superseded_doc_id", "operation_name")


async def rows_of_gone_store(
    catalog: Catalog, store_name: str, after: str | None, size: int
) -> list[GoneNames]:
    """Return rows that tell of another store than the bound one, by path.

    They name something in it, or came to rest before the exchange: `failed` may be otherwise in the
    new store, and the earlier generation has `indexed` rows that name nothing.
    """
    within = (f"{store_name}/", f"{store_name}0")  # "0" follows "/"
    # An operation may have a name that is not made from its store's.
    elsewhere = [f"({name} < ? OR {name} >= ?)" for name in _NAMES]
    of_a_store = "operation_name >= 'fileSearchStores/' AND operation_name < 'fileSearchStores0'"
    elsewhere[-1] = f"({elsewhere[-1]} AND {of_a_store})"
    at_rest = "gemini_state IN ('indexed', 'failed')"
    is_as_before = (
        "NOT EXISTS (SELECT 1 FROM transitions WHERE transitions.file_path = files.file_path"
        " AND id > (SELECT CAST(value AS BIGINT) FROM catalog_info WHERE key = ?))"
    )
    rows = await catalog.reader.fetch_all(
        f"SELECT * FROM (SELECT {', '.join(elsewhere)}, {is_as_before} AS is_as_before, {COLUMNS}"
        " FROM files WHERE file_path > ?) AS told"
        f" WHERE {' OR '.join(elsewhere)} OR (is_as_before AND {at_rest})"
        " ORDER BY file_path LIMIT ?",
        (*within * 3, EXCHANGED_AFTER, after or "", *within * 3, size),
    )
    return [_of(row) for row in rows]


def _of(row: tuple[object, ...]) -> GoneNames:
    document, superseded, operation, is_as_before, *columns = row
    gone = (document, superseded, operation)
    record = FileRecord.from_row(columns)
    return GoneNames(
        record,
        bool(is_as_before),
        bool(document or (operation and record.gemini_store_doc_id is None)),
        tuple(name for name, is_gone in zip(_NAMES, gone, strict=True) if is_gone),
    )
