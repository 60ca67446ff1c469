"""Which document is a row's, and what is sent for it."""
