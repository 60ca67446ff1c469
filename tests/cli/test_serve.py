"""objlib serve with trouble on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from objlib.filestore.declared import PROFILES
from tests.conftest import Cli


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port; its URL and its process, whose first line was read."""
    command = [sys.executable, "-m", "objlib", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[2].rstrip(","), process
        finally:
            process.terminate()
            process.wait()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_served(workplace: Path, profile: str) -> None:
    """And shown at the address that the second line says."""
    with served(workplace, "--faults", profile) as (url, process):
        assert process.stdout is not None
        assert process.stdout.readline().split()[3] == f"{url}/debug/faults"
        shown = httpx2.get(f"{url}/debug/faults").json()
        assert shown["indexing_delay_s"] > 0
        assert shown["fault"]


def test_a_fault_file_and_latency_work_together(workplace: Path) -> None:
    """The file's refusal and the latency are both in the plan, and the refusal strikes."""
    (workplace / "faults.toml").write_text(
        '[[fault]]\nkind = "rate_limit"\nroute = "POST *"\nseconds = 3\n'
    )
    with served(workplace, "--faults", "faults.toml", "--latency", "0.01") as (url, _):
        assert httpx2.get(f"{url}/v1beta/fileSearchStores").status_code == 200
        refused = httpx2.post(f"{url}/v1beta/fileSearchStores", json={})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
        shown = httpx2.get(f"{url}/debug/faults").json()["fault"]
        assert [(fault["kind"], fault["hits"]) for fault in shown] == [
            ("rate_limit", 1),
            ("latency", 2),
        ]


def test_without_faults_nothing_is_said_and_nothing_shown(workplace: Path) -> None:
    """`/debug/faults` does not exist."""
    with served(workplace) as (url, process):
        assert httpx2.get(f"{url}/debug/faults").status_code == 404
        process.terminate()
        assert process.communicate() == ("", "")


def test_dropped_connections_leave_no_trace_in_the_log(workplace: Path) -> None:
    """They are on purpose."""
    (workplace / "faults.toml").write_text('[[fault]]\nkind = "truncated_body"\n')
    with served(workplace, "--faults", "faults.toml") as (url, process):
        for _ in range(3):
            with pytest.raises(httpx2.RemoteProtocolError):
                httpx2.get(f"{url}/v1beta/fileSearchStores")
        process.terminate()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_faults_that_cannot_be_used_are_a_usage_error(cli: Cli, workplace: Path) -> None:
    """Exit code 2 and one line that names file, fault and key; no data file is made."""
    (workplace / "faults.toml").write_text('[[fault]]\nkind = "error"\ntimes = "often"\n')
    for name, complaint in (
        ("faults.toml", "faults.toml: fault 1: times cannot be 'often'"),
        ("sunny", "sunny is no profile (calm, typical, bad-day, overload)"),
    ):
        outcome = cli("serve", "--port", "0", "--faults", name)
        assert outcome.exit_code == 2
        assert complaint in outcome.err
        assert outcome.err.count("\n") == 1
    assert not (workplace / "data").exists()


@pytest.mark.parametrize("latency", ["-1", "x", "inf", "nan"])
def test_latency_is_a_number_of_seconds(cli: Cli, latency: str) -> None:
    """Not negative and not endless."""
    assert cli("serve", "--latency", latency).exit_code == 2


def test_data_that_cannot_be_made_is_told_from_a_port_that_is_taken(cli: Cli) -> None:
    """Each is named as what it is."""
    outcome = cli("serve", "--port", "0", "--data", "/proc/nope/x.db")
    assert outcome.exit_code == 2 and "cannot open the data /proc/nope/x.db" in outcome.err
