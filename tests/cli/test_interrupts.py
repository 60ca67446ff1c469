"""Ctrl-C and SIGTERM: whenever they come, they are obeyed."""

from __future__ import annotations

import asyncio
import signal

import pytest

from objlib.cli.interrupts import interruptible
from objlib.upload.shutdown import Shutdown


def test_the_first_stops_and_the_second_kills() -> None:
    """Afterwards all is as before."""
    shutdown, told = Shutdown(), list[str]()

    async def run() -> None:
        with interruptible(shutdown, lambda: told.append("stopping")):
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0)
            assert (shutdown.is_stopping, shutdown.is_killed) == (True, False)
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0)

    before = signal.getsignal(signal.SIGTERM)
    asyncio.run(run())
    assert shutdown.is_killed
    assert told == ["stopping"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_one_that_comes_as_the_work_ends_is_not_lost() -> None:
    """Nobody could obey it any more, so it ends the command."""
    shutdown = Shutdown()

    async def run() -> None:
        with interruptible(shutdown, lambda: None):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run())


def test_what_the_shell_ignores_is_ignored() -> None:
    """A command in the background is not interrupted by a Ctrl-C that is meant for another."""
    shutdown = Shutdown()

    async def run() -> None:
        with interruptible(shutdown, lambda: None):
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(run())
    finally:
        signal.signal(signal.SIGINT, before)
    assert not shutdown.is_stopping
