"""The description for fuzzers fits the server."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from objlib.filestore import FileStore, create_app
from tests.filestore.openapi import openapi


def test_every_route_is_described(tmp_path: Path) -> None:
    """With its methods, and nothing else is."""
    store = FileStore.open(tmp_path / "filestore.db")
    try:
        served = {
            (method.lower(), route.path)
            for route in create_app(store).routes
            if isinstance(route, Route)
            for method in route.methods or ()
            if method != "HEAD"
        }
    finally:
        store.close()
    paths = openapi()["paths"]
    assert {(method, path) for path, methods in paths.items() for method in methods} == served
