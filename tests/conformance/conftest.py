"""One suite for the wire protocol, for any endpoint.

By default it runs against an embedded server in a process of its own. `OBJLIB_CONFORMANCE_URL`
points it at another base URL and `GEMINI_API_KEY` gives the key for it. It makes stores and raw
files with names of its own and deletes them at the end.

Each test is one fact. `fact(section, source)` names the section of the reference and where it comes
from: REF the official REST reference, GUIDE the official guide, DISC the discovery document, RUN
seen by running the SDK, OP observed on the service, `gh …` an issue, 3P third-party notes; `?`
marks a belief: those tests have the marker `belief` too, and a service that fails one of them (but
no other) is no less a service. Facts that take two days or a server that misbehaves are shown on an
embedded server with a clock and faults of its own (`emulator`), wherever the rest runs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.servers import server
from tests.conformance.service import Service

URL_VARIABLE = "OBJLIB_CONFORMANCE_URL"
KEY_VARIABLE = "GEMINI_API_KEY"


def pytest_configure(config: pytest.Config) -> None:
    """Say what the markers of this folder mean."""
    config.addinivalue_line("markers", "fact(section, source): what is claimed, and by whom")
    config.addinivalue_line("markers", "emulator: needs a clock or faults; never asks the service")

    config.addinivalue_line("markers", "belief: nobody has seen this at the service")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Demand a source of each fact, and mark those that have none as beliefs."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        fact = item.get_closest_marker("fact")
        if fact is None or len(fact.args) != 2 or not all(fact.args):
            raise pytest.UsageError(f"{item.nodeid} needs @pytest.mark.fact(section, source)")
        if "?" in fact.args[1]:
            item.add_marker("belief")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The endpoint under test."""
    with contextlib.ExitStack() as stack:
        if (url := os.environ.get(URL_VARIABLE)) is not None:
            key = os.environ.get(KEY_VARIABLE, "none")
        else:
            key = "conformance"
            data = tmp_path_factory.mktemp("conformance") / "filestore.db"
            url = stack.enter_context(server(data, key=key))
        found = Service(url.rstrip("/"), key)
        stack.callback(found.close)
        yield found


@pytest.fixture(scope="session")
def store(service: Service) -> str:
    """A store for facts that do not mind each other's documents."""
    return service.new_store()
