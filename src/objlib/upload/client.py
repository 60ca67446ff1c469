"""What an upload asks of File Search."""

from __future__ import annotations

from objlib.gemini.client import FileSearchClient


class GeminiFileSearchClient(FileSearchClient):
    """File Search as an upload uses it."""
