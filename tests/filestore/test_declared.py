"""Faults declared in files, the ready-made profiles, and `/debug/faults`."""

from __future__ import annotations

import asyncio
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.filestore import Fault, FaultPlan, Kind
from objlib.filestore.declared import (
    PROFILES,
    InvalidFaults,
    faults_json,
    load_faults,
    read_faults,
)
from tests.filestore.mounted import error_of, mounted

EVERY_KEY = """
seed = 7
indexing_delay_s = 8

[[fault]]
kind = "quota"
route = "POST *:importFile"
per_minute = [[0, 600], [120, 300.5]]
burst = 20
hint = false

[[fault]]
kind = "error"
probability = 0.5
times = 3
after = 1
from_s = 10
until_s = 20.5
status = 500
message = "Boom."

[[fault]]
kind = "overload"
above = 40
growth = 2
share = 0.5
seconds = 60
"""


def test_a_fault_file_says_all_that_a_fault_can_be(tmp_path: Path) -> None:
    """Each key is a field of `Fault`."""
    path = tmp_path / "faults.toml"
    path.write_text(EVERY_KEY)
    declared = load_faults(str(path))
    assert declared is not None
    assert (declared.seed, declared.indexing_delay_s) == (7, 8.0)
    assert list(declared.faults) == [
        Fault(
            Kind.QUOTA,
            route="POST *:importFile",
            per_minute=[[0, 600], [120, 300.5]],
            burst=20,
            hint=False,
        ),
        Fault(
            Kind.ERROR,
            probability=0.5,
            times=3,
            after=1,
            from_s=10,
            until_s=20.5,
            status=500,
            message="Boom.",
        ),
        Fault(Kind.OVERLOAD, above=40, growth=2, share=0.5, seconds=60),
    ]


def test_latency_comes_on_top(tmp_path: Path) -> None:
    """Of a file or of nothing; without either nothing is on."""
    assert load_faults(None) is None
    alone = load_faults(None, latency_s=0.2)
    assert alone is not None
    assert list(alone.faults) == [Fault(Kind.LATENCY, seconds=0.2)]
    both = load_faults("calm", latency_s=0.2)
    assert both is not None
    assert len(both.faults) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed = 'x'", "seed must be a whole number"),
        ("seed = true", "seed must be"),
        ("indexing_delay_s = -1", "indexing_delay_s must be"),
        ("faults = []", "unknown key 'faults'"),
        ("fault = 3", "fault must be a list"),
        ("fault = [3]", "fault 1 must be a table"),
        ("[[fault]]", "fault 1: unknown kind None"),
        ("[[fault]]\nkind = 'eror'", "fault 1: unknown kind 'eror'"),
        ("[[fault]]\nkind = ['error']", "fault 1: unknown kind"),
        ("[[fault]]\nkind = 'error'\n[[fault]]\nkind = 'error'\nx = 1", "fault 2: unknown key 'x'"),
        ("[[fault]]\nkind = 'error'\nprobability = 2", "probability must be between 0 and 1"),
        ("[[fault]]\nkind = 'error'\nprobability = 'often'", "probability cannot be 'often'"),
        ("[[fault]]\nkind = 'error'\nprobability = nan", "probability must be"),
        ("[[fault]]\nkind = 'error'\ntimes = 1.5", "times cannot be 1.5"),
        ("[[fault]]\nkind = 'error'\ntimes = -1", "times must be"),
        ("[[fault]]\nkind = 'error'\nafter = -1", "after must be"),
        ("[[fault]]\nkind = 'error'\nstatus = 200", "status must be between 400 and 599"),
        ("[[fault]]\nkind = 'error'\nroute = 3", "route cannot be 3"),
        ("[[fault]]\nkind = 'error'\nfrom_s = 9\nuntil_s = 8", "until_s must be after from_s"),
        ("[[fault]]\nkind = 'quota'\nhint = 1", "hint cannot be 1"),
        ("[[fault]]\nkind = 'quota'\nburst = 0", "burst must be"),
        ("[[fault]]\nkind = 'quota'\nper_minute = -5", "per_minute must be"),
        ("[[fault]]\nkind = 'quota'\nper_minute = inf", "per_minute must be"),
        ("[[fault]]\nkind = 'quota'\nper_minute = []", "per_minute must be"),
        ("[[fault]]\nkind = 'quota'\nper_minute = [[9, 1], [8, 1]]", "per_minute must be"),
        ("[[fault]]\nkind = 'quota'\nper_minute = [[1, 2, 3]]", "per_minute must be"),
        ("[[fault]]\nkind = 'latency'\nseconds = [5]", "seconds cannot be"),
        ("[[fault]]\nkind = 'overload'\nabove = 0", "above must be at least 1"),
        ("[[fault]]\nkind = 'overload'\ngrowth = -1", "growth must be"),
        ("[[fault]]\nkind = 'overload'\nshare = -1", "share must be"),
        ("seed = ", "is no TOML"),
    ],
)
def test_a_mistake_in_a_fault_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """With the file, the number of the fault and the key."""
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(InvalidFaults) as refused:
        load_faults(str(path))
    assert complaint in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_name_that_is_no_profile_and_no_file_is_said_so(tmp_path: Path) -> None:
    """With the profiles that there are; a folder and binary bytes are no files either."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for name in ("sunny", str(tmp_path), str(binary)):
        with pytest.raises(InvalidFaults, match="calm, typical, bad-day, overload"):
            load_faults(name)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["kind", "route", "times", "seconds", "per_minute", "hint", "above", "x"])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seed": json_values,
            "indexing_delay_s": json_values,
            "fault": st.lists(
                st.dictionaries(keys, json_values | st.sampled_from(list(Kind))), max_size=2
            ),
        },
    )
    | json_values
)
def test_whatever_is_declared_is_read_or_refused(declaration: Any) -> None:
    """Nothing else ever comes out than a declaration or the complaint."""
    try:
        read_faults(declaration)
    except InvalidFaults as error:
        assert str(error)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_can_be_read_and_says_what_it_imitates(profile: str) -> None:
    """It has faults, and a comment above each of them or of their group."""
    declared = load_faults(profile)
    assert declared is not None
    assert declared.faults
    assert declared.indexing_delay_s > 0
    folder = resources.files("objlib.filestore").joinpath("profiles")
    text = folder.joinpath(f"{profile}.toml").read_text("utf-8")
    assert text.startswith("# ")
    assert text.count("\n# ") >= 2
    assert len(tomllib.loads(text)["fault"]) == len(declared.faults)
    shipped = {path.name.removesuffix(".toml") for path in folder.iterdir()}
    assert shipped == set(PROFILES)


def test_a_bad_day_has_most_of_what_can_go_wrong() -> None:
    """What it leaves out is a full store, a quota and what other profiles are for."""
    declared = load_faults("bad-day")
    assert declared is not None
    left_out = set(Kind) - {fault.kind for fault in declared.faults}
    assert left_out == {
        Kind.QUOTA,
        Kind.EMPTY_ERROR,
        Kind.STORAGE_FULL,
        Kind.SLOW_DRIP,
        Kind.INDEXING_DELAY,
        Kind.OVERLOAD,
    }


def test_what_is_shown_can_be_declared_again() -> None:
    """But for the time and the hits."""
    declared = read_faults(tomllib.loads(EVERY_KEY))
    shown = faults_json(FaultPlan(declared.faults, declared.seed), declared.indexing_delay_s)
    del shown["elapsed_s"]
    for fault in shown["fault"]:
        assert fault.pop("hits") == 0
    assert read_faults(shown) == declared


# /debug/faults


def test_faults_can_be_looked_at_changed_and_ended(tmp_path: Path) -> None:
    """With their hits and the plan's time, which begins anew with other faults."""

    async def story() -> None:
        outage = Fault(Kind.ERROR, times=2)
        async with mounted(tmp_path, outage, api_key="secret") as server:
            for _ in range(3):
                await server.http.get("/v1beta/files", headers={"x-goog-api-key": "secret"})
            server.clock.now += 5
            shown = await server.call("GET", "/debug/faults")
            assert shown == {
                "seed": 1,
                "indexing_delay_s": 0.0,
                "elapsed_s": 5.0,
                "fault": [{"kind": "error", "times": 2, "hits": 2}],
            }

            other = {"seed": 3, "indexing_delay_s": 60, "fault": [{"kind": "empty_list"}]}
            shown = await server.call("PUT", "/debug/faults", other)

            assert shown["fault"] == [{"kind": "empty_list", "hits": 0}]
            assert (shown["seed"], shown["elapsed_s"]) == (3, 0.0)
            server.http.headers["x-goog-api-key"] = "secret"
            store = await server.new_store()
            assert await server.call("GET", "/v1beta/fileSearchStores") == {}
            document = await server.add(store, "Arches stand.")
            assert (await server.call("GET", f"/v1beta/{document}"))["state"] == "STATE_PENDING"

            shown = await server.call("DELETE", "/debug/faults")

            assert shown["fault"] == []
            assert len(await server.call("GET", "/v1beta/fileSearchStores")) == 1
            document = await server.add(store, "Arches stand.")
            assert (await server.call("GET", f"/v1beta/{document}"))["state"] == "STATE_ACTIVE"

    asyncio.run(story())


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"fault": [{"kind": "none"}]}', b"[" * 5000])
def test_faults_that_cannot_be_read_change_nothing(tmp_path: Path, body: bytes) -> None:
    """400 in Google's shape."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.ERROR)) as server:
            refused = await server.http.put("/debug/faults", content=body)
            assert error_of(refused)["status"] == "INVALID_ARGUMENT"
            assert len((await server.call("GET", "/debug/faults"))["fault"]) == 1

    asyncio.run(story())


def test_nobody_else_may_look_or_change(tmp_path: Path) -> None:
    """Neither another machine nor a web page whose name points here."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.ERROR)) as server:
            app = server.app
            for client, host in (
                (("192.0.2.1", 1), "localhost"),
                (("127.0.0.1", 1), "evil.example"),
                (("127.0.0.1", 1), "127.0.0.1.evil.example"),
                (("127.0.0.1", 1), ""),
                (("127.0.0.1", 1), "["),
            ):
                transport = httpx2.ASGITransport(app=app, client=client)
                async with httpx2.AsyncClient(
                    transport=transport, base_url="http://localhost", headers={"host": host}
                ) as http:
                    for method in ("GET", "PUT", "DELETE"):
                        refused = await http.request(method, "/debug/faults")
                        assert error_of(refused)["status"] == "PERMISSION_DENIED"
            for host in ("localhost:8471", "127.0.0.1:8471", "[::1]:8471"):
                shown = await server.http.get("/debug/faults", headers={"host": host})
                assert shown.status_code == 200

    asyncio.run(story())


def test_without_faults_there_is_nothing_to_debug(tmp_path: Path) -> None:
    """The route does not exist."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            assert (await server.refused("GET", "/debug/faults"))["status"] == "NOT_FOUND"

    asyncio.run(story())
