"""Following an experiment tells how it ended, whatever it went through before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bus.errors import MusterError
from bus.events.base import ExperimentId
from bus.events.experiments import (
    AbortRequested,
    ExperimentAborted,
    ExperimentStopped,
    ResumeRequested,
    StopRequested,
)
from coordinator.domain.state import Phase
from muster.telling.follow import View, ended, follow
from support.experiments import client
from support.spine import running_spine
from support.story import X


async def test_an_earlier_stop_is_not_taken_for_the_end(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine, asyncio.timeout(60):
        acme = client(spine.broker, "acme")

        async def followed() -> View:
            return await follow(acme, ExperimentId(X), lambda _view, _record: None)

        await spine.submit(cycles=1000)
        await acme.request(StopRequested, X, "enough")
        stopped = await followed()
        assert isinstance(stopped.last and stopped.last.body, ExperimentStopped)
        again = await acme.request(ResumeRequested, X, "not enough")
        await acme.wait_for_phase(again, Phase.RUNNING, 10)
        await acme.request(AbortRequested, X, "never mind")
        for view in (await followed(), await followed()):
            assert isinstance(view.last and view.last.body, ExperimentAborted)
            with pytest.raises(MusterError, match="never mind"):
                ended(view)
