"""The File Search servers: which one answers a library, and one of one's own on a port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from objlib import backend
from objlib.backend import is_loopback as is_loopback
from objlib.config import Settings
from objlib.redaction import redacted, secrets_of


def description(settings: Settings) -> str:
    """Return the backend that the settings choose, as people read it."""
    return backend.choose(settings).description


def is_at_google(settings: Settings) -> bool:
    """Return True if the store is at Google, where uploads and answers cost money."""
    return backend.choose(settings).identity == "gemini"


def is_embedded(settings: Settings) -> bool:
    """Return True if the store is the embedded one, on this computer."""
    return backend.choose(settings).identity == "embedded"


def redactor(settings: Settings) -> Callable[[str], str]:
    """Return a function that takes the key and an address's password out of a text."""
    chosen = backend.choose(settings)
    secrets = secrets_of(chosen.api_key, chosen.base_url)
    return lambda text: redacted(text, secrets)


async def serve(
    settings: Settings,
    data: Path | None,
    *,
    host: str,
    port: int,
    key: str | None,
    public_url: str | None,
    faults: str | None,
    latency_s: float,
    semantic: bool,
    on_listening: Callable[[str, Path], None],
) -> None:
    """Serve a data file on a port until a signal comes.

    Args:
        data: None for that of the embedded store.
        key: the key that clients must give; without one only this machine is let in.
        faults: trouble on purpose: a ready-made profile or a fault file; None for none.
        latency_s: the time that every request takes at least.
        semantic: search by meaning too, whatever the settings say.
        on_listening: told the URL and the data file.

    Raises:
        ConfigurationError: the address cannot be used, or would let strangers in; the faults
            cannot be read.
    """
    file = data or backend.embedded_data(settings)
    await backend.serve(
        file,
        host=host,
        port=port,
        key=key,
        public_url=public_url,
        faults=faults,
        latency_s=latency_s,
        semantic=semantic or settings.semantic,
        on_listening=lambda url: on_listening(url, file),
    )
