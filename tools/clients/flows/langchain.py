"""LangChain: langchain-google-genai."""

from __future__ import annotations

from typing import Any

from langchain_google_genai import ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings
from told import EMBEDDING_MODEL, KEPT_OUT, MODEL, QUESTION, SENTENCE, STORE, URL, flow, must

chat = ChatGoogleGenerativeAI(model=MODEL, api_key="any", base_url=URL)


def ask(**search: Any) -> Any:
    """Return an answer from the store."""
    tool = {"file_search": {"file_search_store_names": [STORE], **search}}
    return chat.invoke(QUESTION, tools=[tool])


def cite() -> None:
    """Find the text in the grounding that LangChain hands on."""
    grounding = ask().response_metadata["grounding_metadata"]
    must(SENTENCE in str(grounding), grounding)


def embed() -> None:
    """Make a vector."""
    embeddings = GoogleGenerativeAIEmbeddings(model=EMBEDDING_MODEL, api_key="any", base_url=URL)
    must(len(embeddings.embed_query(QUESTION)) == 3072)


flow("ask", lambda: must(SENTENCE in str(ask().content)))
flow("cite", cite)
flow("filter", lambda: must(SENTENCE not in str(ask(metadata_filter=KEPT_OUT).content)))
flow("count tokens", lambda: must(chat.get_num_tokens(QUESTION) == 4))
flow("embed", embed)
