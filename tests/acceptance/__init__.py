"""An acceptance run on a scratch copy: `python -m tests.acceptance`."""
