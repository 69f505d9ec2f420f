"""Letting go of one experiment's sealed weights now: first what that would be, then the request."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from bus.errors import Invalid
from bus.events.custody import Keep, PurgeRequested, WeightsPurged, WeightsReleased
from bus.events.cycles import ModelAveraged, UpdateSealed
from bus.events.weights import SealedObject
from bus.wire import subjects
from coordinator.domain.custody import Rule, name, release
from coordinator.domain.state import Experiment
from muster.client import Client

_PATIENCE_S: Final = 30.0


@dataclass(frozen=True)
class Going:
    """What would go of one step.

    Attributes:
        step: Number and kind of its cycle.
        what: ``updates`` or ``outcome``.
        bodies: How many the log knows of.
        size_bytes: Of them together, before sealing.
    """

    step: str
    what: str
    bodies: int
    size_bytes: int


async def planned(client: Client, experiment: Experiment, keep: Keep, last: int) -> list[Going]:
    """What would go if no more than ``keep`` were kept of ``experiment``.

    Args:
        client: As the operator: what forks of it need, only the whole log tells.
        experiment: Which.
        keep: How much.
        last: How many global models ``last`` keeps.

    Raises:
        Invalid: It is not over, and so much can go of what is over only.
    """
    if keep in {Keep.FINAL, Keep.NOTHING} and not experiment.phase.final:
        raise Invalid(
            f"experiment {experiment.id} is {experiment.phase}: what it needs to go on stays. Abort it first, or keep "
            f"{Keep.LAST.value!r}",
            code="purge.running",
        )
    keeper = (await client.world()).keeper
    held = replace(keeper.holdings[experiment.id], asked=Rule(keep, last))
    said = release(held, keeper.rule, client.broker.now())
    return [] if said is None else await _sizes(client, experiment, said)


async def _sizes(client: Client, experiment: Experiment, said: WeightsReleased) -> list[Going]:
    bodies: dict[tuple[str, str], list[SealedObject]] = {}
    async for record in client.history(experiment):
        match record.body:
            case UpdateSealed(weights=SealedObject() as body, cycle=cycle):
                bodies.setdefault((name(cycle), "updates"), []).append(body)
            case ModelAveraged(model=body, state=state, cycle=cycle):
                bodies.setdefault((name(cycle), "outcome"), []).extend([body, *([state] if state else [])])
    found = []
    for what, steps in (("updates", said.updates), ("outcome", said.outcomes)):
        for step in steps:
            there = bodies.get((step, what), [])
            found.append(Going(step, what, len(there), sum(body.size_bytes for body in there)))
    return found


async def purge(client: Client, experiment: Experiment, keep: Keep, last: int, reason: str) -> WeightsPurged | None:
    """Ask for it; what the aggregator said when it was done, or ``None`` if that takes longer."""
    request = PurgeRequested(
        experiment=experiment.id, keep=keep, last=last, request=secrets.token_hex(6), reason=reason
    )
    since = await client.say(request, experiment.owner)
    done = subjects.said(WeightsPurged, owner=experiment.owner, entity_id=experiment.id)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            async for record in client.read(done, after=since, follow=True):
                if isinstance(record.body, WeightsPurged):
                    return record.body
    return None
