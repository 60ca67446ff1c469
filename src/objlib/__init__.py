"""objlib: a folder of texts kept in step with a Gemini File Search store, exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from objlib.service.library import Library

__version__ = "0.1.0"
__all__ = ["Library", "__version__"]


def __getattr__(name: str) -> Any:
    # Behind `Library` is the SDK, which takes half a second: `objlib --help` does without.
    if name == "Library":
        from objlib.service.library import Library

        return Library
    raise AttributeError(f"module 'objlib' has no attribute {name!r}")
