"""A plan and a sync by an assistant that may write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jsonschema

from objlib.config import load_settings
from objlib.mcp.desk import Desk
from tests.mcp.conftest import PAGE, called, fill, objlib, plugged, refused


def test_a_plan_is_made_shown_and_done(workplace: Path) -> None:
    """What starts is what was planned; it tells how far it is, and the library is in step."""
    fill(workplace)
    objlib(workplace, "scan", "--library", "library")
    told: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)
        assert message and total is None

    async def sync() -> None:
        async with plugged(Desk(load_settings(), PAGE, may_write=True)) as client:
            assert "that plan is old" in await refused(client, "sync", plan_id="made-up")
            plan = await called(client, "plan_sync")
            assert plan["files"] == 8 and plan["dollars"] == 0.0
            assert (await called(client, "library_status"))["searchable"] == 0
            result = await client.call_tool(
                "sync", {"plan_id": plan["plan_id"]}, progress_callback=hear
            )
            schemas = {one.name: one.output_schema for one in (await client.list_tools()).tools}
            jsonschema.validate(result.structured_content, schemas["sync"] or {})
            assert result.structured_content["is_clean"] and told == sorted(set(told))
            assert (await called(client, "library_status"))["searchable"] == 8
            assert "that plan is old" in await refused(client, "sync", plan_id=plan["plan_id"])

    asyncio.run(sync())


def test_two_rounds_at_once_are_refused(workplace: Path) -> None:
    """One of two that begin together works, and the other says so."""
    fill(workplace)
    objlib(workplace, "scan", "--library", "library")

    async def plan_twice() -> None:
        async with plugged(Desk(load_settings(), PAGE, may_write=True)) as client:
            both = await asyncio.gather(
                client.call_tool("plan_sync", {}), client.call_tool("plan_sync", {})
            )
            said: list[Any] = [one.content[0] for one in both if one.is_error]
            assert len(said) == 1 and "at work already" in said[0].text

    asyncio.run(plan_twice())
