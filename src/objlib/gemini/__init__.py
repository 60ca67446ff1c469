"""The wire: one method per call of the API."""
