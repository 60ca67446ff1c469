"""FileSearchClient: the only module that calls google-genai.

It pins what the SDK leaves to chance (transport, API version, base URL, time-out, no retries),
pages by hand (the SDK's pager raises `IndexError` on an empty page), and returns the records of
`objlib.gemini.resources`, with names and enums normalised. Loading it loads the SDK, half a second,
so nobody does before a backend is connected to. Facts: the Gemini API reference, "File Search
Stores", "Documents", "Files" (v1beta), and the source of google-genai 3.4.
"""

from __future__ import annotations

import base64
import binascii
import io
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Self, TypeVar

import httpx2
from google import genai
from google.genai import types
from reactivex import Observable

from objlib.congestion.gate import RequestGate
from objlib.errors import NotFound, Rejected, StoreGone, Transient
from objlib.gemini.answers import Judged
from objlib.gemini.calls import Call, Observed
from objlib.gemini.grounding import answer_of, enum_text, metadata_values
from objlib.gemini.last_moment import Checked, LastMoment
from objlib.gemini.resources import (
    Answer,
    Document,
    ImportOperation,
    Metadata,
    RawFile,
    Store,
)
from objlib.gemini.sdk import check_sdk
from objlib.gemini.transport import Gated, HonestUploads
from objlib.gemini.wire_errors import Effect, translated
from objlib.reactive.retry import Retry
from objlib.redaction import redacted, secrets_of

API_VERSION = "v1beta"
PAGE_SIZE = 20  # the server's maximum for stores and documents
#: A listing of a hundred pages would hardly ever end if each of them had but one chance.
PAGE_ATTEMPTS = 4
#: No jitter: nobody else makes the same requests at the same time.
_PAGES = Retry(PAGE_ATTEMPTS, base_s=0.5, rng=None)
CALL_TIMEOUT_MS = 60_000
UPLOAD_TIMEOUT_MS = 300_000

#: Every request goes through our transport. For roads not taken the SDK would load the system's
#: certificates, twice: 40 ms at every start.
_TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

#: The SDK insists on a key.
_NO_KEY = "none"

T = TypeVar("T")


class FileSearchClient:
    """File Search, one method per call. Raises only the errors of `objlib.errors`."""

    #: What every request passes; None lets them all pass.
    gate: RequestGate | None = None

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str,
        transport: httpx2.AsyncBaseTransport,
        gate: RequestGate | None = None,
    ) -> None:
        """A client over a transport.

        Args:
            api_key: None where none is asked for.
            gate: what every request has to pass; None lets them all pass.
        """
        self._wire = Observed(transport)
        self._secrets = secrets_of(api_key, base_url)
        self._checked = Checked(Judged(self._wire, base_url, self._secrets))
        gated = self._checked if gate is None else Gated(self._checked, gate)
        self.gate = gate
        self._pages = _PAGES if gate is None else replace(_PAGES, hurry=gate.impatience)
        self._client = genai.Client(
            api_key=api_key or _NO_KEY,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url,
                api_version=API_VERSION,
                timeout=CALL_TIMEOUT_MS,
                async_client_args={
                    "transport": HonestUploads(gated),
                    "verify": _TRUSTING_NOBODY,
                    "ssl": _TRUSTING_NOBODY,
                },
            ),
        )
        self._calls = self._client.aio
        check_sdk(self._calls, types)

    @property
    def calls(self) -> Observable[Call]:
        """Hot: every request on the wire, from now on."""
        return self._wire.calls

    @property
    def requests(self) -> int:
        """Requests put on the wire so far."""
        return self._wire.requests

    async def aclose(self) -> None:
        """Close the connections."""
        await self._calls.aclose()
        self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # Stores

    async def find_store(self, display_name: str) -> Store | None:
        """The first store of that display name (the API allows several), or None."""
        token: str | None = None
        tokens = _PageTokens("stores")
        while True:
            with translated("list stores", secrets=self._secrets):
                page = await self._calls.file_search_stores.list(
                    config={"page_size": PAGE_SIZE, "page_token": token}
                )
            for store in page.page:
                if store.display_name == display_name:
                    return _store(store)
            token = tokens.following(page.config.get("page_token"))
            if token is None:
                return None

    async def get_store(self, name: str) -> Store:
        """Raises `NotFound` when it is gone."""
        with translated(f"get store {name}", secrets=self._secrets):
            return _store(await self._calls.file_search_stores.get(name=name))

    async def known_store(self, name: str) -> Store:
        """Return a store that was there before. Raises `StoreGone` when it is gone."""
        try:
            return await self.get_store(name)
        except NotFound as error:
            raise StoreGone(name) from error

    async def create_store(self, display_name: str, embedding_model: str | None = None) -> Store:
        """A new, empty store.

        Args:
            embedding_model: None for the service's own choice.
        """
        config: types.CreateFileSearchStoreConfigDict = {"display_name": display_name}
        if embedding_model is not None:
            config["embedding_model"] = embedding_model
        with translated(f"create store {display_name!r}", Effect.UNKEYED, secrets=self._secrets):
            return _store(await self._calls.file_search_stores.create(config=config))

    async def delete_empty_store(self, name: str) -> None:
        """Delete a store, which the backend refuses when there is a document in it."""
        with translated(f"delete store {name}", secrets=self._secrets):
            await self._calls.file_search_stores.delete(name=name)

    # Raw files

    async def upload_file(self, content: io.IOBase, *, name: str, mime_type: str) -> RawFile:
        """Upload a raw file under a name of our choosing.

        Args:
            content: open, binary, seekable; read from its current position.
            name: at most 27 of `[a-z0-9]`, so that the document's id can be made from it.

        Raises:
            AlreadyExists: an earlier attempt got through; look at it with `get_file`.
        """
        with translated(f"upload files/{name}", secrets=self._secrets):
            return _raw_file(
                await self._calls.files.upload(
                    file=content,
                    config=types.UploadFileConfig(
                        name=name,
                        mime_type=mime_type,
                        # Fresh for every call: the SDK writes its headers into it.
                        http_options=types.HttpOptions(timeout=UPLOAD_TIMEOUT_MS),
                    ),
                )
            )

    async def get_file(self, name: str) -> RawFile:
        """Raises `NotFound` when it is unknown or has expired (the API says 403 to both)."""
        with translated(f"get {name}", secrets=self._secrets, gone_is_403=True):
            return _raw_file(await self._calls.files.get(name=name))

    async def delete_file(self, name: str) -> None:
        """Deleting what is not there is fine."""
        try:
            with translated(f"delete {name}", secrets=self._secrets, gone_is_403=True):
                await self._calls.files.delete(name=name)
        except NotFound:
            return

    # Documents

    async def import_file(
        self,
        store_name: str,
        *,
        file_name: str,
        metadata: Metadata,
        last_moment: LastMoment | None = None,
    ) -> ImportOperation:
        """Copy a raw file into the store. Not idempotent: each call makes a document.

        Args:
            last_moment: a check right before it is sent, and how long it may take from then.

        Raises:
            InDoubt: the answer was lost; look the document up before importing again.
        """
        what = f"import {file_name}"
        with (
            translated(what, Effect.UNKEYED, secrets=self._secrets, gone_is_403=True),
            self._checked.asked(last_moment) as headers,
        ):
            operation = await self._calls.file_search_stores.import_file(
                file_search_store_name=store_name,
                file_name=file_name,
                config=types.ImportFileConfig(
                    custom_metadata=[_metadatum(key, value) for key, value in metadata.items()],
                    http_options=types.HttpOptions(headers=headers) if headers else None,
                ),
            )
        return _operation(operation, store_name, self._secrets)

    async def get_operation(self, name: str, store_name: str) -> ImportOperation:
        """Return the state of an import. Raises `NotFound` when the operation has vanished."""
        with translated(f"get {name}", secrets=self._secrets):
            named = types.ImportFileOperation.model_validate({"name": name})
            operation = await self._calls.operations.get(named)
        return _operation(operation, store_name, self._secrets)

    async def get_document(self, name: str) -> Document | None:
        """The document, or None when there is none of that name."""
        try:
            with translated(f"get {name}", secrets=self._secrets):
                return _document(await self._calls.file_search_stores.documents.get(name=name))
        except NotFound:
            return None

    async def delete_document(self, name: str) -> None:
        """Delete a document and its chunks. Deleting what is not there is fine."""
        try:
            with translated(f"delete {name}", secrets=self._secrets):
                await self._calls.file_search_stores.documents.delete(
                    name=name, config={"force": True}
                )
        except NotFound:
            return

    async def document_pages(self, store_name: str) -> AsyncIterator[list[Document]]:
        """All documents of a store, a page at a time, oldest first. Raises `StoreGone`."""
        token: str | None = None
        tokens = _PageTokens(f"documents of {store_name}")

        async def fetch() -> tuple[list[Document], str | None]:
            try:
                with translated(f"list documents of {store_name}", secrets=self._secrets):
                    page = await self._calls.file_search_stores.documents.list(
                        parent=store_name, config={"page_size": PAGE_SIZE, "page_token": token}
                    )
            except NotFound as error:
                raise StoreGone(store_name) from error
            return [_document(document) for document in page.page], page.config.get("page_token")

        while True:
            documents, following = await self._pages.call(fetch)
            yield documents
            token = tokens.following(following)
            if token is None:
                return

    # Search

    async def generate(
        self,
        query: str,
        *,
        model: str,
        store_names: Sequence[str],
        top_k: int | None = None,
        metadata_filter: str | None = None,
    ) -> Answer:
        """Ask a model that may search the stores.

        Args:
            store_names: at most five (the server's limit).
            metadata_filter: AIP-160, for instance `year > 1960 AND speaker = "Kennedy"`.

        Raises:
            StoreGone: one of the stores is not there.
            NotFound: there is no such model.
        """
        search = types.FileSearch(
            file_search_store_names=list(store_names),
            top_k=top_k,
            metadata_filter=metadata_filter,
        )
        try:
            with translated("search", secrets=self._secrets):
                response = await self._calls.models.generate_content(
                    model=model,
                    contents=query,
                    config=types.GenerateContentConfig(tools=[types.Tool(file_search=search)]),
                )
        except NotFound:
            for name in store_names:
                await self.known_store(name)
            raise
        return answer_of(response)


class _PageTokens:
    """The page tokens of one listing: each may come once, or the listing would go on for ever."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen: set[str] = set()

    def following(self, token: str | None) -> str | None:
        """Return the token of the next page, None at the end.

        Raises:
            Transient: the token was followed before.
        """
        if not token:
            return None
        if token in self._seen:
            raise Transient(
                f"the listing of {self._what} does not advance: a page token came twice; "
                "run this again"
            )
        self._seen.add(token)
        return token


def _store(store: types.FileSearchStore) -> Store:
    return Store(
        name=_named(store.name, "store"),
        display_name=store.display_name or "",
        active_documents=int(store.active_documents_count or 0),
        pending_documents=int(store.pending_documents_count or 0),
        failed_documents=int(store.failed_documents_count or 0),
        size_bytes=int(store.size_bytes or 0),
        embedding_model=store.embedding_model or "",
    )


def _raw_file(file: types.File) -> RawFile:
    return RawFile(
        name=_named(file.name, "file"),
        state=enum_text(file.state),
        size_bytes=int(file.size_bytes or 0),
        sha256=sha256_hex(file.sha256_hash),
    )


def _document(document: types.Document) -> Document:
    return Document(
        name=_named(document.name, "document"),
        display_name=document.display_name or "",
        state=enum_text(document.state),
        size_bytes=int(document.size_bytes or 0),
        created_at=document.create_time,
        metadata=metadata_values(document.custom_metadata),
    )


#: google.rpc.Code INVALID_ARGUMENT, UNIMPLEMENTED: no time and no other attempt changes them.
_FINAL_CODES = (3, 12)


def _operation(
    operation: types.ImportFileOperation, store_name: str, secrets: tuple[str, ...]
) -> ImportOperation:
    document = operation.response.document_name if operation.response else None
    if document and "/" not in document:  # imports were seen to answer with the bare id
        document = f"{store_name}/documents/{document}"
    error = operation.error
    return ImportOperation(
        name=operation.name or "",
        done=bool(operation.done),
        error=redacted(str(error.get("message") or error), secrets) if error else None,
        document_name=document,
        is_final=error is not None and error.get("code") in _FINAL_CODES,
        not_read=tuple(map(str, (operation.metadata or {}).get("notRead") or ())),
    )


def _metadatum(key: str, value: str | int | float | list[str]) -> types.CustomMetadata:
    if isinstance(value, list):
        return types.CustomMetadata(key=key, string_list_value=types.StringList(values=value))
    if isinstance(value, str):
        return types.CustomMetadata(key=key, string_value=value)
    return types.CustomMetadata(key=key, numeric_value=float(value))


def sha256_hex(reported: str | None) -> str | None:
    """The API's `sha256Hash` as hex: base64 of the digest, or of its hex text (both were seen)."""
    if not reported:
        return None
    try:
        raw = base64.b64decode(reported, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) == 32:
        return raw.hex()
    text = raw.decode("ascii", "replace").lower()
    return text if len(text) == 64 else None


def _named(name: str | None, kind: str) -> str:
    if not name:
        raise Rejected(f"the backend answered with a {kind} that has no name")
    return name
