"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.jetstream.server import EmbeddedServer
from support.nats import running_server


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A NATS server without authorisation, its streams in place."""
    async with running_server(tmp_path) as server:
        yield server
