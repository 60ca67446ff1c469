"""The commands that the command line has for the next sensible thing to do."""

from __future__ import annotations

from objlib.service.steps import NextStep

#: Step -> what to type.
COMMANDS = {
    NextStep.COMPARE: "objlib store-sync",
    NextStep.NAME_LIBRARY: "objlib scan --library DIR",
    NextStep.RECOVER: "objlib recover",
    NextStep.REPAIR: "objlib store-sync --apply",
    NextStep.RETRY_FAILED: "objlib fsm-upload --retry-failed",
    NextStep.SCAN: "objlib scan",
    NextStep.SEARCH: 'objlib search "…"',
    NextStep.SEE_FAILURES: "objlib failures",
    NextStep.UPLOAD: "objlib fsm-upload",
}
