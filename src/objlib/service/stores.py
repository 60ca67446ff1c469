"""Finds, or makes, the store that a catalog is in step with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objlib.catalog.binding import BACKEND, STORE_DISPLAY_NAME, STORE_NAME, refuse_other
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import claim_info, get_info, set_info
from objlib.errors import NotFound, StoreNotFound

if TYPE_CHECKING:  # the SDK behind it takes half a second, and `scan` and `status` do without
    from objlib.gemini.client import FileSearchClient
    from objlib.gemini.resources import Store


async def bind_store(
    catalog: Catalog,
    client: FileSearchClient,
    *,
    backend: str,
    display_name: str,
    create: bool,
) -> Store:
    """The store this catalog is in step with; found or (with `create`) made on first use.

    Raises:
        ConfigurationError: the catalog is bound to another backend or store.
        StoreNotFound: there is no such store.
    """
    await refuse_other(catalog, BACKEND, backend, "backend")
    await refuse_other(catalog, STORE_DISPLAY_NAME, display_name, "store")
    name = await get_info(catalog, STORE_NAME)
    if name is not None:
        try:
            return await client.get_store(name)
        except NotFound as error:
            raise StoreNotFound(
                f"the store {display_name!r} ({name}) that this catalog belongs to is gone from "
                "the backend; start a new catalog with --db"
            ) from error
    store = await client.find_store(display_name)
    if store is None:
        if not create:
            raise StoreNotFound(
                f"there is no store {display_name!r}; `objlib fsm-upload` makes it, "
                "or name another with --store"
            )
        store = await client.create_store(display_name)
        bound = await claim_info(catalog, STORE_NAME, store.name)
        if bound != store.name:  # another process was faster; ours has nothing in it
            await client.delete_empty_store(store.name)
            store = await client.get_store(bound)
    facts = {BACKEND: backend, STORE_DISPLAY_NAME: display_name, STORE_NAME: store.name}
    await set_info(catalog, **facts)
    return store
