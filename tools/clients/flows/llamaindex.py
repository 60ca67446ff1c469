"""LlamaIndex: llama-index-llms-google-genai, which asks for its model when it is made."""

from __future__ import annotations

from typing import Any

from google.genai import types
from llama_index.embeddings.google_genai import GoogleGenAIEmbedding
from llama_index.llms.google_genai import GoogleGenAI
from told import EMBEDDING_MODEL, KEPT_OUT, MODEL, QUESTION, SENTENCE, STORE, URL, flow, must

options = types.HttpOptions(base_url=URL)


def ask(**search: Any) -> Any:
    """Return an answer from the store."""
    wanted = types.FileSearch(file_search_store_names=[STORE], **search)
    llm = GoogleGenAI(
        model=MODEL,
        api_key="any",
        http_options=options,
        built_in_tool=types.Tool(file_search=wanted),
    )
    return llm.complete(QUESTION)


def models() -> None:
    """Make the client, which looks its model up."""
    llm = GoogleGenAI(model=MODEL, api_key="any", http_options=options)
    must(llm.metadata.context_window > 1000)


def embed() -> None:
    """Make a vector."""
    embedding = GoogleGenAIEmbedding(
        model_name=EMBEDDING_MODEL, api_key="any", http_options=options
    )
    must(len(embedding.get_query_embedding(QUESTION)) == 3072)


flow("models", models)
flow("ask", lambda: must(SENTENCE in str(ask())))
flow("cite", lambda: must(SENTENCE in str((ask().raw or {}).get("grounding_metadata"))))
flow("filter", lambda: must(SENTENCE not in str(ask(metadata_filter=KEPT_OUT))))
flow("embed", embed)
