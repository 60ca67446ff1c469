"""A deterministic simulation of the whole system; see docs/reliability.md."""
