"""Every test of this folder that asks for an engine runs once for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalog.conformance.engines import FACTORIES, Engine


@pytest.fixture(params=FACTORIES, ids=lambda factory: factory.__name__)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An engine with a new catalog."""
    return Engine(request.param, tmp_path)
