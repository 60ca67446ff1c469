"""Ctrl-C where the event loop cannot take signals, as on Windows."""

from __future__ import annotations

import asyncio
import signal

import pytest

from objlib.cli.interrupts import interruptible
from objlib.upload.shutdown import Shutdown


def test_signals_are_obeyed_without_help_from_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stops, the second kills, and afterwards all is as before."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    shutdown, told = Shutdown(), list[str]()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "add_signal_handler", refuse, raising=False)
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
