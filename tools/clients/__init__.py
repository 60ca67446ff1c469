"""Runs real clients against the emulator and writes the table of `docs/emulator.md`."""
