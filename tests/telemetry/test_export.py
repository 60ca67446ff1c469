"""The real thing: the command line, a File Search server, and a collector, each over a socket."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from objlib import telemetry
from objlib.filestore import Fault, Kind
from objlib.telemetry.export import exporting
from tests.cli.servers import server
from tests.conftest import Cli, write_library
from tests.telemetry.collector import Collector, collector

ROOT = Path(__file__).parents[2]
SECRET = "AIza-a-key-that-must-not-be-seen"


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """An `objlib` process with some more in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "objlib", *map(str, arguments)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def unused_url() -> str:
    """Where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_run_is_a_tree_of_spans_and_no_secret_is_in_it(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """command -> run -> one span a file -> its requests, as many as the server has seen."""
    cli("scan", "--library", library)
    events = workplace / "events.jsonl"
    counting = Fault(Kind.LATENCY, seconds=0.001)
    with (
        server(workplace / "served.db", counting, key=SECRET) as url,
        collector() as collected,
    ):
        done = run(
            *("fsm-upload", "--events", events, "--log-json", "-vv"),
            GEMINI_API_KEY=SECRET,
            OBJLIB_BASE_URL=url,
            OTEL_EXPORTER_OTLP_ENDPOINT=collected.url,
        )
        hits = httpx2.get(f"{url}/debug/faults").json()["fault"][0]["hits"]
    assert done.returncode == 0, done
    assert_tree(collected, hits)
    assert_metrics(collected, hits)
    assert {resource["service.name"] for resource in collected.resources} == {"objlib"}
    said = b"".join([*collected.bodies, events.read_bytes(), done.stdout.encode()])
    for secret in (SECRET, "upload_id"):
        assert secret.encode() not in said
        assert secret not in done.stderr
    for line in done.stderr.splitlines():
        json.loads(line)


def assert_tree(collected: Collector, requests: int) -> None:
    """Every file one span, every request one span below its file or below the command."""
    (command,) = collected.named("objlib fsm-upload")
    (at_work,) = collected.named("objlib.run")
    assert command.parent == b""
    assert at_work.parent == command.id
    assert at_work.attributes["objlib.run.files"] == 6
    files = collected.below(at_work)
    assert {span.name for span in files} == {"objlib.file"}
    assert len({span.attributes["file.path"] for span in files}) == len(files) == 6
    for span in files:
        assert span.attributes["objlib.outcome"] == "indexed"
        assert span.attributes["objlib.attempts"] == 1
        assert span.attributes["file.size"] > 0
        calls = collected.below(span)
        assert [call.name for call in sorted(calls, key=lambda call: call.began_ns)][:3] == [
            "POST /upload/v1beta/files",
            "POST /upload/v1beta/files",
            "POST /v1beta/fileSearchStores/{store}:importFile",
        ]
        assert calls[-1].name == "DELETE /v1beta/files/{file}"
        assert span.began_ns <= min(call.began_ns for call in calls)
        assert span.ended_ns >= max(call.ended_ns for call in calls)
    calls = [span for span in collected.spans if "http.request.method" in span.attributes]
    assert len(calls) == requests
    assert Counter(call.parent for call in calls).keys() == {
        command.id,
        *(span.id for span in files),
    }
    assert all(call.attributes["server.address"] == "127.0.0.1" for call in calls)
    assert len({span.trace for span in collected.spans}) == 1


def assert_metrics(collected: Collector, requests: int) -> None:
    """They count the same things."""
    points = collected.points
    assert points["objlib.files"] == [({"objlib.outcome": "indexed"}, 6)]
    assert sum(count for _, count in points["http.client.request.duration"]) == requests
    assert sum(count for _, count in points["objlib.indexing.duration"]) == 6
    assert sum(size for _, size in points["objlib.sent"]) > 0
    assert {stage["objlib.stage"] for stage, _ in points["objlib.limit"]} == {
        "sending",
        "indexing",
    }
    assert {value for _, value in points["objlib.files.in_flight"]} == {0}


def test_every_command_that_talks_to_the_store_is_traced(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """Also what is no run: a search is a span with its requests."""
    cli("sync", "--library", library, "--yes")
    with collector() as collected:
        done = run("search", "arches", OTEL_EXPORTER_OTLP_ENDPOINT=collected.url)
    assert done.returncode == 0, done
    (command,) = collected.named("objlib search")
    names = [span.name for span in collected.below(command)]
    assert names[-1] == "POST /v1beta/models/{model}:generateContent"


def test_a_program_with_opentelemetry_gets_the_spans_of_its_library(workplace: Path) -> None:
    """The example of the documentation, word for word: they go where the program's own go."""
    page = (ROOT / "docs" / "observability.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    write_library(workplace / "library", 2)
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert shown[-4:] == ["objlib.file", "objlib.file", "objlib.run", "nightly"]
    assert shown.count("POST /v1beta/fileSearchStores/{store}:importFile") == 2


@pytest.mark.parametrize("name", ["observer", "instruments"])
def test_names_are_documented(name: str) -> None:
    """Every span, attribute and instrument of ours is on the page."""
    page = (ROOT / "docs" / "observability.md").read_text("utf-8")
    source = (ROOT / "src" / "objlib" / "telemetry" / f"{name}.py").read_text("utf-8")
    names = set(re.findall(r'"((?:objlib|http|server|url|file)\.[a-z_.]+)"', source))
    assert len(names) > 5
    assert {name for name in names if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("status", [None, 401], ids=["down", "refusing"])
def test_without_a_collector_a_run_goes_on_and_says_so_in_a_line(
    cli: Cli, library: Path, status: int | None
) -> None:
    """One warning, and nothing of what the exporters would log."""
    cli("scan", "--library", library)
    with collector(status or 200) as refusing:
        url = unused_url() if status is None else refusing.url
        done = run("fsm-upload", "--log-json", OTEL_EXPORTER_OTLP_ENDPOINT=url)
    assert done.returncode == 0
    assert done.stdout.startswith("Indexed 6 files")
    messages = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    (warning,) = [message for message in messages if "Store:" not in message]
    assert warning.startswith("Telemetry was not delivered")


@pytest.mark.parametrize(
    ("variables", "warning"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER=console is not supported"),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "OTEL_METRICS_EXPORTER=prometheus is not"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "PROTOCOL=grpc is not supported",
        ),
    ],
)
def test_what_is_not_supported_is_said(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], warning: str
) -> None:
    """In a line; nothing else happens."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    warnings: list[str] = []
    exporting.cache_clear()
    with telemetry.traced("objlib test", warnings.append):
        pass
    exporting.cache_clear()
    (said,) = warnings
    assert warning in said


@pytest.mark.parametrize(
    ("variables", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, False),
        ({"OTEL_SDK_DISABLED": "True", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_the_standard_variables_switch_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_wanted: bool
) -> None:
    """Off unless one of them asks for it."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert telemetry.is_wanted() is is_wanted


_IMPORTED = """
import sys
from objlib.cli.main import main
assert main(["fsm-upload", "--quiet"]) == 0
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""


def test_without_the_variables_nothing_of_it_is_imported(cli: Cli, library: Path) -> None:
    """It costs whoever does not want it nothing, installed or not."""
    cli("scan", "--library", library)
    shown = subprocess.run(
        [sys.executable, "-c", _IMPORTED], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "[]"


def test_without_the_extra_the_remedy_is_named(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the run goes on."""
    cli("scan", "--library", library)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    for name in ("opentelemetry", "objlib.telemetry.export"):
        monkeypatch.setitem(sys.modules, name, None)
    outcome = cli("fsm-upload")
    assert outcome.exit_code == 0
    assert "pip install 'objlib[otel]'" in outcome.err
