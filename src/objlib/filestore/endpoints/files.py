"""Raw files."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import rawfiles, resources
from objlib.filestore.faults import FaultPlan
from objlib.filestore.kinds import Kind
from objlib.filestore.paging import FILES_PAGE, page, paging
from objlib.filestore.storage import FileStore

FILE = "/{version}/files/{file}"


class Files:
    """The handlers of raw files."""

    def __init__(self, store: FileStore, faults: FaultPlan) -> None:
        self._store = store
        self._faults = faults

    async def list(self, request: Request) -> Response:
        """A page of the files that are alive."""
        size, after = paging(request, *FILES_PAGE)
        rows = self._store.all(
            f"SELECT {rawfiles.FILE_COLUMNS} FROM files"
            " WHERE position > :after AND expires_at > :now ORDER BY position LIMIT :limit",
            after=after,
            now=self._store.clock(),
            limit=size + 1,
        )
        return page("files", [resources.file(row) for row in rows], [row[0] for row in rows], size)

    async def get(self, request: Request) -> Response:
        """A file."""
        identifier = self._asked_for(request)
        return JSONResponse(resources.file(rawfiles.file_row(self._store, identifier)))

    async def delete(self, request: Request) -> Response:
        """Delete a file."""
        rawfiles.delete_file(self._store, self._asked_for(request))
        return JSONResponse({})

    def _asked_for(self, request: Request) -> str:
        identifier: str = request.path_params["file"]
        if self._faults.striking(f"{request.method} {FILE}", Kind.FILE_EXPIRED):
            rawfiles.expire_file(self._store, identifier)
        return identifier
