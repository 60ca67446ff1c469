"""LiteLLM: its vector stores of the provider gemini."""

from __future__ import annotations

import os
from typing import Any

from told import EMBEDDING_MODEL, QUESTION, SENTENCE, STORE, URL, flow, must

os.environ["GEMINI_API_BASE"] = URL
os.environ["GEMINI_API_KEY"] = "any"

import litellm  # the address of the service is read when it is imported

V1BETA = f"{URL}/v1beta"


def found(**filters: Any) -> str:
    """Return what a search of the store as a vector store gives; completions drop the tool."""
    return str(
        litellm.vector_stores.search(
            vector_store_id=STORE,
            query=QUESTION,
            custom_llm_provider="gemini",
            api_base=URL,
            api_key="any",
            **filters,
        )
    )


def create() -> None:
    """Make a store."""
    made = litellm.vector_stores.create(
        name="lite", custom_llm_provider="gemini", api_base=URL, api_key="any"
    )
    must("fileSearchStores/" in str(made), made)


def embed() -> None:
    """Make a vector."""
    answer = litellm.embedding(
        model=f"gemini/{EMBEDDING_MODEL}",
        input=[QUESTION],
        api_base=V1BETA,
    )
    must(len(answer.data[0]["embedding"]) == 3072)


flow("create store", create)
flow("cite", lambda: must(SENTENCE in found(), found()))
flow("filter", lambda: must(SENTENCE not in found(filters={"year": "none"})))
flow("embed", embed)
