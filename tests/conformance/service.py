"""An endpoint of the File Search API, asked by the SDK and by plain HTTP."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import httpx2
from google import genai
from google.genai import errors, types

VERSION = "v1beta"
#: Any model of the service that knows file search.
MODEL = "gemini-3.5-flash"

#: Seconds until the service has done what it was asked for; a document took 44 at most.
WAIT_S = 90.0

T = TypeVar("T")
AnyOperation = types.ImportFileOperation | types.UploadToFileSearchStoreOperation


class Service:
    """What the facts are asked of. Everything made through it is deleted when it is closed."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self.http = httpx2.Client(
            base_url=url, headers={"x-goog-api-key": key}, timeout=120, trust_env=False
        )
        options = types.HttpOptions(
            base_url=url, api_version=VERSION, timeout=120_000, client_args={"trust_env": False}
        )
        self.sdk = genai.Client(api_key=key, vertexai=False, http_options=options)
        self._run = uuid.uuid4().hex[:8]
        self._made = 0
        self._stores: list[str] = []
        self._files: list[str] = []

    def close(self) -> None:
        """Delete what was made."""
        for name in self._stores:
            self.http.delete(f"/{VERSION}/{name}", params={"force": "true"})
        for name in self._files:
            self.http.delete(f"/{VERSION}/{name}")
        self.http.close()
        self.sdk.close()

    # Names

    def new_id(self) -> str:
        """An id for a raw file that nobody else has; at most 27 characters."""
        self._made += 1
        return f"conf{self._run}-{self._made}"

    def word(self) -> str:
        """A word that is in no other text."""
        self._made += 1
        return f"zyx{self._run}{self._made}"

    # Plain HTTP

    def call(self, method: str, path: str, json: Any = None, **query: Any) -> Any:
        """The parsed answer to a request that must succeed."""
        response = self.http.request(method, f"/{VERSION}/{path}", json=json, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, method: str, path: str, json: Any = None, **query: Any) -> dict[str, Any]:
        """The error in the answer to a request that must be refused."""
        return error_of(self.http.request(method, f"/{VERSION}/{path}", json=json, params=query))

    def start(
        self, size: int | None, body: Any, path: str = "files", **headers: str
    ) -> httpx2.Response:
        """The answer to the start of a resumable upload."""
        declared = {} if size is None else {"X-Goog-Upload-Header-Content-Length": str(size)}
        return self.http.post(
            f"/upload/{VERSION}/{path}",
            json=body,
            headers={
                "X-Goog-Upload-Protocol": "resumable",
                "X-Goog-Upload-Command": "start",
                "X-Goog-Upload-Header-Content-Type": "text/plain",
                **declared,
                **headers,
            },
        )

    def piece(
        self, url: str, content: bytes, *, offset: int = 0, command: str = "upload, finalize"
    ) -> httpx2.Response:
        """A piece of an upload, without any key, as the SDK sends it."""
        headers = {"X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": str(offset)}
        return httpx2.post(url, content=content, headers=headers, timeout=120, trust_env=False)

    # What facts need

    def new_store(self, display_name: str = "objlib conformance") -> str:
        """The name of a new store."""
        made = self.sdk.file_search_stores.create(config={"display_name": display_name})
        assert made.name
        return self.keep_store(made.name)

    def keep_store(self, name: str) -> str:
        """Delete this store at the end, too."""
        self._stores.append(name)
        return name

    def new_file(self, content: str | bytes = "hello", **config: Any) -> types.File:
        """A new raw file, by the SDK."""
        raw = content.encode() if isinstance(content, str) else content
        made = self.sdk.files.upload(
            file=io.BytesIO(raw), config=types.UploadFileConfig(mime_type="text/plain", **config)
        )
        assert made.name
        self._files.append(made.name)
        return made

    def add(self, store: str, content: str, **metadata: Any) -> types.Document:
        """Upload, import, wait: the active document."""
        file = self.new_file(content, name=self.new_id())
        operation = self.sdk.file_search_stores.import_file(
            file_search_store_name=store,
            file_name=file.name or "",
            config=types.ImportFileConfig(custom_metadata=metadata_of(metadata) or None),
        )
        return self.settled(store, operation)

    def settled(
        self,
        store: str,
        operation: types.ImportFileOperation | types.UploadToFileSearchStoreOperation,
    ) -> types.Document:
        """The document of an operation, once it is active.

        The operation's answer names it. Where an operation is never done, although its document is
        there, its own last part is tried: a belief, and the last resort.
        """
        looked = operation

        def seen() -> types.Document | None:
            nonlocal looked
            if looked.response is None or not looked.response.document_name:
                looked = self.sdk.operations.get(looked)
            named = looked.response.document_name if looked.response else None
            identifier = (named or looked.name or "").rpartition("/")[2]
            try:
                document = self.sdk.file_search_stores.documents.get(
                    name=f"{store}/documents/{identifier}"
                )
            except errors.ClientError:
                return None
            return document if document.state == types.DocumentState.STATE_ACTIVE else None

        return waited_for(seen)

    def done(self, operation: T) -> T:
        """An operation, once it is done."""

        def seen() -> T | None:
            now = self.sdk.operations.get(operation)  # type: ignore[type-var]
            return now if now.done else None  # type: ignore[attr-defined]

        return waited_for(seen)

    def ask(self, question: str, stores: Sequence[str], **search: Any) -> types.Candidate:
        """The one candidate of an answer from these stores."""
        tool = types.Tool(
            file_search=types.FileSearch(file_search_store_names=list(stores), **search)
        )
        answer = self.sdk.models.generate_content(
            model=MODEL,
            contents=question,
            config=types.GenerateContentConfig(tools=[tool]),
        )
        assert answer.candidates
        return answer.candidates[0]

    def titles(self, question: str, store: str, **search: Any) -> list[str]:
        """The titles of what an answer cites."""
        return [str(context.title) for context in contexts(self.ask(question, [store], **search))]

    def cites(self, question: str, store: str, document: types.Document) -> types.Candidate:
        """An answer that cites a document; search may take a while to know it."""

        def seen() -> types.Candidate | None:
            answer = self.ask(question, [store])
            titles = [context.title for context in contexts(answer)]
            return answer if document.display_name in titles else None

        return waited_for(seen)


def uploaded(
    service: Service, store: str, content: bytes, **config: Any
) -> types.UploadToFileSearchStoreOperation:
    """The operation of an upload straight into a store."""
    return service.sdk.file_search_stores.upload_to_file_search_store(
        file_search_store_name=store,
        file=io.BytesIO(content),
        config=types.UploadToFileSearchStoreConfig(mime_type="text/plain", **config),
    )


def import_named(name: str | None) -> types.ImportFileOperation:
    """An import's operation of which only the name is known."""
    return types.ImportFileOperation.model_validate({"name": name})


def upload_named(name: str | None) -> types.UploadToFileSearchStoreOperation:
    """An upload's operation of which only the name is known."""
    return types.UploadToFileSearchStoreOperation.model_validate({"name": name})


def contexts(candidate: types.Candidate) -> list[types.GroundingChunkRetrievedContext]:
    """What an answer cites, in order."""
    grounding = candidate.grounding_metadata
    chunks = grounding.grounding_chunks if grounding and grounding.grounding_chunks else []
    return [chunk.retrieved_context for chunk in chunks if chunk.retrieved_context]


def waited_for(look: Callable[[], T | None], deadline_s: float = WAIT_S) -> T:
    """What a look gives as soon as it gives something; at once where nothing takes time."""
    pause_s = 0.0
    ends = time.monotonic() + deadline_s
    while (seen := look()) is None:
        assert time.monotonic() < ends, "still nothing to be seen"
        time.sleep(pause_s)
        pause_s = min(5.0, pause_s * 1.5 + 0.05)
    return seen


def metadata_of(values: dict[str, Any]) -> list[types.CustomMetadata]:
    """Custom metadata entries from plain values."""
    entries: list[types.CustomMetadata] = []
    for key, value in values.items():
        if isinstance(value, str):
            entries.append(types.CustomMetadata(key=key, string_value=value))
        elif isinstance(value, list):
            strings = types.StringList(values=value)
            entries.append(types.CustomMetadata(key=key, string_list_value=strings))
        else:
            entries.append(types.CustomMetadata(key=key, numeric_value=value))
    return entries


def error_of(response: httpx2.Response) -> dict[str, Any]:
    """The error in an answer, checked for Google's shape."""
    assert response.status_code >= 400, response.text
    body = response.json()
    if isinstance(body, list):  # sometimes it is wrapped
        (body,) = body
    error: dict[str, Any] = body["error"]
    assert error["code"] == response.status_code
    assert isinstance(error["message"], str)
    return error
