"""A connection that is closed comes to its end, whatever its supervisor is waiting in."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from bus.jetstream import connection
from bus.jetstream.connection import Connection, Endpoint
from bus.jetstream.session import Session


class Deaf:
    """A session whose ping swallows a cancellation, as ``asyncio.wait_for`` of Python 3.11 can."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.asked = asyncio.Event()

    async def alive(self, _timeout_s: float) -> bool:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return True
        raise AssertionError


async def test_a_supervisor_ends_although_its_ping_swallowed_the_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_WATCHDOG_S", 0.001)
    session = Deaf()
    supervised = Connection(Endpoint("nats://127.0.0.1:1", "anybody"), "control")
    supervisor = asyncio.create_task(supervised._until_over(cast("Session", session)))
    await session.asked.wait()

    supervisor.cancel()

    await asyncio.wait({supervisor}, timeout=5)
    assert supervisor.cancelled()
