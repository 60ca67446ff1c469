"""google-genai, its synchronous and its asynchronous client: `sync` or `async`."""

from __future__ import annotations

import asyncio
import inspect
import io
import sys
import time
from typing import Any

from google import genai
from google.genai import types
from told import EMBEDDING_MODEL, KEPT_OUT, MODEL, QUESTION, SENTENCE, URL, flow, must

options = types.HttpOptions(base_url=URL, api_version="v1beta")
sdk = genai.Client(api_key="any", http_options=options)
client: Any = sdk.aio if sys.argv[1] == "async" else sdk
loop = asyncio.new_event_loop()


def now(value: Any) -> Any:
    """Return a value, awaited where it has to be."""
    return loop.run_until_complete(value) if inspect.isawaitable(value) else value


def listed(pager: Any) -> list[Any]:
    """Return everything of a list, page by page."""
    pager = now(pager)
    if not hasattr(pager, "__aiter__"):
        return list(pager)

    async def all_of_it() -> list[Any]:
        return [item async for item in pager]

    return now(all_of_it())


def done(operation: Any) -> Any:
    """Return an operation, once it is done."""
    for _ in range(50):
        operation = now(client.operations.get(operation))
        if operation.done:
            return operation
        time.sleep(0.1)
    raise TimeoutError("the operation is not done")


def ask(store: str, **search: Any) -> Any:
    """Return the candidate of an answer from a store."""
    tool = types.Tool(file_search=types.FileSearch(file_search_store_names=[store], **search))
    config = types.GenerateContentConfig(tools=[tool])
    answer = now(client.models.generate_content(model=MODEL, contents=QUESTION, config=config))
    return answer.candidates[0]


def texts() -> dict[str, Any]:
    """Return a text and its type, as uploads take them."""
    return {"file": io.BytesIO(SENTENCE.encode())}


def upload() -> None:
    """Upload straight into the store."""
    config = {"display_name": "arches one", "mime_type": "text/plain"}
    operation = now(
        client.file_search_stores.upload_to_file_search_store(
            file_search_store_name=store, config=config, **texts()
        )
    )
    must(done(operation).response.document_name, operation)


def take_in() -> None:
    """Upload a raw file and import it."""
    file = now(client.files.upload(config={"mime_type": "text/plain"}, **texts()))
    metadata = [{"key": "year", "numeric_value": 1934}]
    operation = now(
        client.file_search_stores.import_file(
            file_search_store_name=store,
            file_name=file.name,
            config={"custom_metadata": metadata},
        )
    )
    must(done(operation).response, operation)
    now(client.files.delete(name=file.name))


def cite() -> None:
    """Find the text and the file in the grounding."""
    grounding = ask(store).grounding_metadata
    must(grounding.grounding_chunks[0].retrieved_context.text == SENTENCE, grounding)
    segment = grounding.grounding_supports[0].segment
    must(segment.text == SENTENCE and segment.end_index == len(SENTENCE), segment)


def sift() -> None:
    """Filter by metadata: one document has the year, none has another."""
    must(len(ask(store, metadata_filter="year = 1934").grounding_metadata.grounding_chunks) == 1)
    must(ask(store, metadata_filter=KEPT_OUT).grounding_metadata is None)


def delete() -> None:
    """Delete the documents and the store."""
    documents = listed(client.file_search_stores.documents.list(parent=store))
    must(len(documents) == 2, documents)
    now(client.file_search_stores.documents.delete(name=documents[0].name, config={"force": True}))
    now(client.file_search_stores.delete(name=store, config={"force": True}))
    names = [s.name for s in listed(client.file_search_stores.list())]
    must(store not in names, names)


def models() -> None:
    """List the models and get one."""
    must(len(listed(client.models.list())) > 5)
    must(now(client.models.get(model=MODEL)).input_token_limit)


def count() -> None:
    """Count the tokens of a question."""
    must(now(client.models.count_tokens(model=MODEL, contents=QUESTION)).total_tokens == 4)


def embed() -> None:
    """Make a vector."""
    answer = now(client.models.embed_content(model=EMBEDDING_MODEL, contents=QUESTION))
    must(len(answer.embeddings[0].values) == 3072)


def structure() -> None:
    """Ask for an answer as JSON by a schema."""
    config = types.GenerateContentConfig(
        tools=[types.Tool(file_search=types.FileSearch(file_search_store_names=[store]))],
        response_mime_type="application/json",
        response_schema={
            "type": "OBJECT",
            "properties": {"reason": {"type": "STRING"}},
            "required": ["reason"],
        },
    )
    answer = now(client.models.generate_content(model=MODEL, contents=QUESTION, config=config))
    must(SENTENCE in answer.parsed["reason"], answer.text)


made = flow(
    "create store", lambda: now(client.file_search_stores.create(config={"display_name": "a b"}))
)
store = made.name
flow("upload", upload)
flow("import", take_in)
flow("ask", lambda: must(SENTENCE in ask(store).content.parts[0].text))
flow("cite", cite)
flow("filter", sift)
flow("JSON", structure)
flow("delete", delete)
flow("models", models)
flow("count tokens", count)
flow("embed", embed)
