"""objlib: a folder of texts kept in step with a Gemini File Search store, exactly once."""

__version__ = "0.1.0"
