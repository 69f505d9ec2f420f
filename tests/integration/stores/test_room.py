"""A real store that is nearly full: an experiment waits visibly, no edge fails, and goes on once there is room."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bus.events.base import FEDERATION
from bus.events.custody import Keep, KeepingRuled
from bus.events.cycles import CycleOpened, UpdateFailed
from bus.events.experiments import ExperimentCompleted, ExperimentFailed
from bus.events.governance import ExperimentHeld, ExperimentReleased
from bus.jetstream.provision import provide_streams
from bus.runtime.listening import ignore, verified
from bus.wire.record import Record
from muster.telling.explain import explained
from support import people
from support.place import place
from support.spine import running_spine
from support.weed import Weed

LIMIT = 10_000_000
"""The model has 1.2 MB: after one training cycle 7.2 are used, and the next one needs 4.8."""


async def test_it_waits_for_room_and_goes_on(weed: Weed, tmp_path: Path) -> None:
    async with place(tmp_path, weed) as found, running_spine(tmp_path, brokers=found.brokers) as spine:
        operator = found.brokers["operator"]
        await provide_streams(operator.control, disk_bytes=int(LIMIT / 0.55))
        room = await operator.blobs().room()
        assert room is not None
        assert abs(room.limit_bytes - LIMIT) < 10
        await spine.submit(cycles=3)
        history: list[Record] = []
        async with asyncio.timeout(90):
            async for record in verified(operator, people.directory(), "ev.acme.>", reject=ignore, follow=True):
                history.append(record)
                if isinstance(record.body, ExperimentHeld):
                    assert record.body.kinds == ("room",)
                    assert "4 bodies of 1.1 MiB" in record.body.reasons[0]
                    ruling = KeepingRuled(federation=FEDERATION, keep=Keep.LAST, last=1, request="r")
                    if not any(isinstance(r.body, ExperimentHeld) for r in history[:-1]):
                        await spine.voice("operator").say(ruling)
                if isinstance(record.body, ExperimentCompleted | ExperimentFailed):
                    break
        assert isinstance(history[-1].body, ExperimentCompleted)
        assert not [r for r in history if isinstance(r.body, UpdateFailed)]
        held = next(i for i, r in enumerate(history) if isinstance(r.body, ExperimentHeld))
        released = next(i for i, r in enumerate(history) if isinstance(r.body, ExperimentReleased))
        between = [r.body for r in history[held:released] if isinstance(r.body, CycleOpened)]
        assert between == [], "no cycle may open that would not fit"
        assert any(
            "The policy engine held it: the next cycle takes about" in sentence for sentence in explained(history)
        )
