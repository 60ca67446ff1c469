"""The models: which names are one, their descriptions, and the vectors of those that embed.

No model runs here. A name of the family `gemini-…` is taken for a model, so that a client need not
wait for a new release; any other name is refused with the words of the service.

Source: ai.google.dev/api/models; the names are those of the guide "File Search", 2026-09-24.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any

from objlib.filestore.wire import ApiError, invalid
from objlib.language.words import terms

GENERATING = (
    "gemini-3.8-flash",
    "gemini-3.7-flash",
    "gemini-3.6-flash",
    "gemini-3.5-flash",
    "gemini-3.5-flash-lite",
    "gemini-3.1-flash-lite",
    "gemini-3.1-pro-preview",
    "gemini-3-flash-preview",
)
EMBEDDING = ("gemini-embedding-001", "gemini-embedding-2")
LISTED = (*GENERATING, *EMBEDDING)

DIMENSIONS = 3072
REQUESTS_PER_BATCH_MAX = 100

_GENERATE_METHODS = [
    "generateContent",
    "countTokens",
    "createCachedContent",
    "batchGenerateContent",
]
_EMBED_METHODS = ["embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"]
_GEMINI = re.compile(r"gemini-[a-z0-9][a-z0-9.-]*")
_EMBEDS = re.compile(r"(?:gemini-)?embedding-.*|text-embedding-.*")


def described(name: str, version: str) -> dict[str, Any]:
    """Return the Model of a name. Raises 404 for a name that is no model's."""
    if embeds(name):
        methods, limit, said = _EMBED_METHODS, 2_048, 1
    elif _GEMINI.fullmatch(name):
        methods, limit, said = _GENERATE_METHODS, 1_048_576, 65_536
    else:
        raise ApiError(404, f"Model is not found: models/{name} for api version {version}")
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "description": "A name that this emulator answers to.",
        "inputTokenLimit": limit,
        "outputTokenLimit": said,
        "supportedGenerationMethods": methods,
    }


def embeds(name: str) -> bool:
    """Return True for the name of a model that makes vectors."""
    return _EMBEDS.fullmatch(name) is not None


def check_generates(name: str, version: str, method: str) -> None:
    """Raises 404 for a name of which no model answers questions."""
    if _GEMINI.fullmatch(name) is None or embeds(name):
        raise _unsupported(name, version, method)


def check_embeds(name: str, version: str, method: str) -> None:
    """Raises 404 for a name of which no model makes vectors."""
    if not embeds(name):
        raise _unsupported(name, version, method)


def _unsupported(name: str, version: str, method: str) -> ApiError:
    return ApiError(
        404,
        f"models/{name} is not found for API version {version}, or is not supported for {method}."
        " Call ListModels to see the list of available models and their supported methods.",
    )


def embedding(text: str, dimensions: int | None) -> list[float]:
    """Return a vector of unit length: each term adds to one place, as its hash says.

    Texts that share words are near one another, and the same text has the same vector everywhere.

    Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009).
    """
    size = DIMENSIONS if dimensions is None else dimensions
    if not 1 <= size <= DIMENSIONS:
        raise invalid(
            f"outputDimensionality must be between 1 and {DIMENSIONS}, not {size}.",
            "outputDimensionality",
        )
    vector = [0.0] * size
    for term in terms(text) or [""]:
        digest = hashlib.blake2b(term.encode("utf-8"), digest_size=8).digest()
        place = int.from_bytes(digest[:7], "big") % size
        vector[place] += 1.0 if digest[7] % 2 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0.0:  # two terms cancelled each other out
        return [1.0, *vector[1:]]
    return [value / length for value in vector]


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text, as this server counts usage: its terms."""
    return len(terms(text))
