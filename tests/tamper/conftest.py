"""Servers and federations that all attacks share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from support.place import Place, place
from support.spine import Spine, running_spine
from support.weed import Weed


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def quiet(tmp_path_factory: pytest.TempPathFactory, weed: Weed) -> AsyncIterator[Place]:
    """Nobody is at work here."""
    async with place(tmp_path_factory.mktemp("quiet"), weed) as found:
        yield found


@dataclass
class Live:
    """Services and edges at work."""

    place: Place
    spine: Spine


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live(tmp_path_factory: pytest.TempPathFactory, weed: Weed) -> AsyncIterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    async with place(folder, weed) as found, running_spine(folder, brokers=found.brokers) as spine:
        yield Live(found, spine)
