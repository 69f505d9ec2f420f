"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bus.jetstream.server import EmbeddedServer
from support.nats import running_server
from support.weed import Weed, running_weed


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A NATS server without authorisation, its streams in place."""
    async with running_server(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weed]:
    """An S3 server that all tests of a session share; each uses a bucket of its own."""
    with running_weed(tmp_path_factory.mktemp("weed")) as server:
        yield server
