"""Files that an older reader has read, with the command and the price to send them again."""

from __future__ import annotations

from typing import Any

from objlib.service.numbers import count, dollars
from objlib.service.outdated import Outdated

REFRESH = "objlib sync --refresh-metadata"


def outdated_line(outdated: Outdated) -> str:
    """Return one line for people."""
    price = outdated.price
    files = count(outdated.files, "file")
    return (
        f"Read by an older objlib: {files} in the store; `{REFRESH}` reads them anew and sends"
        f" about {price.tokens:,} tokens ({dollars(price.dollars)} at Gemini)"
    )


def outdated_as_json(outdated: Outdated) -> dict[str, Any]:
    """Return the same for scripts."""
    price = outdated.price
    return {
        "files": outdated.files,
        "size_bytes": outdated.size_bytes,
        "tokens": price.tokens,
        "dollars": round(price.dollars, 6),
    }
