"""One federation for all tests that disturb one: starting it takes longer than most of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from support.disk import can_mount
from support.faults import DISKS
from support.federation import Ran, Town, federation

needs_mounts = pytest.mark.skipif(not can_mount(), reason="only root may mount a small file system")


@dataclass(frozen=True)
class Known:
    """A town, and how an experiment ends there that nobody disturbs."""

    town: Town
    undisturbed: Ran


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Known]:
    disks = DISKS if can_mount() else ()
    async with federation(tmp_path_factory.mktemp("town"), disks=disks) as town:
        undisturbed = await town.run()
        assert not town.restarts
        yield Known(town, undisturbed)


@pytest_asyncio.fixture(loop_scope="session")
async def known(shared: Known) -> Known:
    """The shared town, at rest."""
    await shared.town.settled()
    shared.town.restarts.clear()
    return shared
