"""The handlers: each reads a request, calls the storage, and shapes the answer."""
