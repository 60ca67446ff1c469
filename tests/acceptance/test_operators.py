"""Decision 7 says which operator meets which demand, and the source says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance import operators
from tests.acceptance.operators import Fulfilment, fulfilments

#: The demands of the reactive design; each is somewhere in the table.
DEMANDS = (
    "flat_map_limited",
    "staggered",
    "upload_with_retry",
    "concat",
    "timer",
    "BehaviorSubject",
    "ReplaySubject",
    "take_until",
    "occ_transition",
    "retry_when",
    "timeout",
    "concat_map",
    "await guarded_update",
)

#: What each of the fixed modules is visibly made of.
MADE_OF = {
    "upload/state.py": {"occ_transition"},
    "upload/recovery.py": {"occ_transition", "timeout", "concat_map"},
    "upload/client.py": {"retry_when", "timer_until"},
    "upload/orchestrator.py": {"flat_map_limited", "staggered", "retry_when", "take_until"},
}


@pytest.mark.parametrize("line", fulfilments(), ids=lambda line: f"{line.operator} {line.module}")
def test_the_module_uses_the_operator(line: Fulfilment) -> None:
    """The path exists, and the operator is called there, not only imported or named."""
    assert (operators.SOURCE / line.module).is_file()
    assert line.places(), f"{line.module} does not use {line.operator}"


def test_every_demand_is_met() -> None:
    """The table has a line for each, and the fixed modules are made of what they must be."""
    lines = fulfilments()
    assert set(DEMANDS) <= {line.operator for line in lines}
    for module, expected in MADE_OF.items():
        assert expected <= {line.operator for line in lines if line.module == module}


def test_an_import_is_no_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is a definition, nor another operator whose name ends alike."""
    module = tmp_path / "module.py"
    module.write_text(
        "from somewhere import timer\n"
        "def timer(wait_s): ...\n"
        "slow_timer(1)\n"
        '"""A `timer` is mentioned."""\n'
        "pause = rx.timer(2)\n"
    )
    monkeypatch.setattr(operators, "SOURCE", tmp_path)
    places = Fulfilment("a pause", "timer", "module.py").places()
    assert places == ["src/objlib/module.py:5: pause = rx.timer(2)"]
