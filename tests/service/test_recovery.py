"""The next thing to do after a recovery."""

from __future__ import annotations

import pytest

from objlib import NextStep, RebuildReport, RecoveryReport
from objlib.service.recovery import step_after

REBUILT = RebuildReport(library_id="x")


@pytest.mark.parametrize(
    ("report", "rebuilt", "waiting", "step"),
    [
        (RecoveryReport(), None, 3, None),
        (RecoveryReport(released=1), None, 0, NextStep.UPLOAD),
        (RecoveryReport(), REBUILT, 3, NextStep.UPLOAD),
        (RecoveryReport(), REBUILT, 0, NextStep.COMPARE),
        (RecoveryReport(failed=1, released=1), None, 0, NextStep.RETRY_FAILED),
        (RecoveryReport(failed=1, unfinished=("x",)), None, 0, NextStep.RECOVER),
    ],
)
def test_what_is_left_says_what_comes_next(
    report: RecoveryReport, rebuilt: RebuildReport | None, waiting: int, step: NextStep | None
) -> None:
    """The recovery itself goes first, then what failed, then what is free, then a comparison."""
    assert step_after(report, rebuilt, waiting) is step
