"""An aggregator at work that is given what no edge made: it names the edge, and averages nothing wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from bus.events import Event
from bus.events.base import ExperimentId
from bus.events.cycles import (
    CycleAbandoned,
    CycleClosed,
    CycleKind,
    ModelAveraged,
    ModelFailed,
    RunCycle,
    UpdateFailed,
    UpdateRejected,
    UpdateSealed,
)
from bus.events.experiments import ExperimentCompleted, ExperimentFailed, ExperimentRefused, Failure, Strategy
from bus.events.strategies import settled
from bus.events.weights import JETSTREAM, S3
from bus.runtime.listening import ignore, verified
from bus.wire.record import Record
from support import people
from support.attacks import ATTACKS, NOWHERE, Attack
from support.spine import ACME
from support.story import EDGES, submission
from support.victim import Victim
from tamper.conftest import Live

pytestmark = [pytest.mark.asyncio(loop_scope="session")]
BAD = "hospital-b"
Forge = Callable[[RunCycle, UpdateSealed], Awaitable[Event]]


@dataclass
class Run:
    """One experiment, in which one edge is the last to answer and says what it is told to.

    Attributes:
        live: Where.
        store: Of all bodies.
        forge: What that edge says in training instead of what it would.
        bad: Which edge.
    """

    live: Live
    store: str
    forge: Forge | None = None
    bad: str = BAD
    answered: dict[str, UpdateSealed] = field(default_factory=dict)
    others: asyncio.Event = field(default_factory=asyncio.Event)

    async def ended(self, **changes: object) -> list[Record]:
        """Everything that was said about it, to its end."""
        identity = ExperimentId(self.live.place.name())
        for name, edge in self.live.spine.edges.items():
            edge.store = self.store
            edge.forge = self._bad if name == self.bad else self._good(name)
        asked = submission(**{"experiment": identity, "cycles": 1, "quorum": 2, "store": self.store, **changes})
        await self.live.spine.voice("acme").say(asked, owner=ACME)
        found = []
        filter_ = f"ev.acme.*.{identity}.>"
        async with asyncio.timeout(60):
            broker = self.live.place.brokers["operator"]
            async for record in verified(broker, people.directory(), filter_, reject=ignore, follow=True):
                found.append(record)
                if isinstance(record.body, ExperimentCompleted | ExperimentFailed | ExperimentRefused):
                    return found
        raise AssertionError

    def victim(self, command: RunCycle, said: UpdateSealed) -> Victim:
        place, edge = self.live.place, self.live.spine.edges[self.bad]
        assert said.weights is not None
        return Victim(
            place.brokers["operator"].blobs(),
            place.weed,
            place.bucket,
            said.weights,
            edge.folder / f"{self.bad}-{command.experiment}-{command.cycle}.safetensors",
            "aggregator",
            self.answered["hospital-c"].weights,
        )

    def _good(self, name: str) -> Forge:
        async def say(command: RunCycle, said: UpdateSealed) -> Event:
            if command.cycle.kind is CycleKind.TRAIN:
                self.answered[name] = said
                if len(self.answered) == len(EDGES) - 1:
                    self.others.set()
            return said

        return say

    async def _bad(self, command: RunCycle, said: UpdateSealed) -> Event:
        if command.cycle.kind is not CycleKind.TRAIN or self.forge is None:
            return said
        await self.others.wait()
        return await self.forge(command, said)


def digest(history: list[Record]) -> str:
    end = history[-1].body
    assert isinstance(end, ExperimentCompleted), end
    return end.model.digest


async def unable(command: RunCycle, said: UpdateSealed) -> Event:
    failure = Failure(category="model", code="model.failed", message="it cannot")
    return UpdateFailed(
        experiment=command.experiment,
        cycle=command.cycle,
        trial=command.trial,
        command=said.command,
        failure=failure,
        retryable=False,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def digests(live: Live) -> dict[str, str]:
    """How it ends with everybody, and without one who says that it cannot."""
    found = {"": digest(await Run(live, JETSTREAM).ended())}
    for edge in ("hospital-a", BAD):
        found[edge] = digest(await Run(live, JETSTREAM, unable, edge).ended())
    assert len(set(found.values())) == 3
    return found


def attacking(run: Run, attack: Attack) -> Forge:
    async def forge(command: RunCycle, said: UpdateSealed) -> Event:
        told = await attack.act(run.victim(command, said))
        if told is None:
            return said
        return said.model_copy(update={"weights": told if told.address != NOWHERE else None})

    return forge


CASES = [
    pytest.param(attack, store, bad, id=f"{attack.what}-{store}-{bad}")
    for attack in ATTACKS
    for store in attack.stores
    for bad in (BAD, *(("hospital-a",) if store == JETSTREAM else ()))
    if "update" in attack.readers
]
"""At the broker also by the edge that is read first: the others must not be measured by what it made up."""


@pytest.mark.parametrize(("attack", "store", "bad"), CASES)
async def test_it_is_named_and_left_out(
    live: Live, digests: dict[str, str], attack: Attack, store: str, bad: str
) -> None:
    run = Run(live, store, bad=bad)
    run.forge = attacking(run, attack)
    history = await run.ended()
    rejected = [r.body for r in history if isinstance(r.body, UpdateRejected)]
    assert [(r.edge, str(r.cycle), r.failure.edge, r.failure.code) for r in rejected] == [
        (bad, "1-train-1", bad, attack.code)
    ], rejected
    closings = [r.body for r in history if isinstance(r.body, CycleClosed) and r.body.cycle.kind is CycleKind.TRAIN]
    assert [(c.revision, len(c.included)) for c in closings] == [(1, 3), (2, 2)]
    (made,) = [r.body for r in history if isinstance(r.body, ModelAveraged) and r.body.cycle.kind is CycleKind.TRAIN]
    assert set(made.contributors) == set(EDGES) - {bad}
    assert digest(history) == digests[bad], "nothing of it may be in the model"


@pytest.mark.parametrize("store", [JETSTREAM, S3])
async def test_without_a_quorum_the_cycle_is_tried_again(live: Live, digests: dict[str, str], store: str) -> None:
    run = Run(live, store)
    (attack,) = [each for each in ATTACKS if each.what == "two chunks swapped"]
    spoil = attacking(run, attack)

    async def once(command: RunCycle, said: UpdateSealed) -> Event:
        return await spoil(command, said) if command.cycle.attempt == 1 else said

    run.forge = once
    history = await run.ended(quorum=3)
    (abandoned,) = [r.body for r in history if isinstance(r.body, CycleAbandoned)]
    assert [(left.edge, left.failure.code) for left in abandoned.left_out] == [(BAD, "seal.broken")]
    assert digest(history) == digests[""]


async def test_who_never_stops_ends_the_experiment_with_the_reason(live: Live) -> None:
    run = Run(live, JETSTREAM)
    (attack,) = [each for each in ATTACKS if each.what == "another digest"]
    run.forge = attacking(run, attack)
    end = (await run.ended(quorum=3))[-1].body
    assert isinstance(end, ExperimentFailed)
    assert BAD in end.failure.message
    assert "is not what its digest says" in end.failure.message


@pytest.mark.parametrize("store", [JETSTREAM, S3])
@pytest.mark.parametrize(
    ("body", "what", "code"),
    [
        ("state-1-train-1-1", "a bit flipped in the middle of a chunk", "seal.broken"),
        ("state-1-train-1-1", "the last chunk cut off", "blob.missing"),
        ("state-1-train-1-1", "the wrapped key of another body", "seal.key"),
        ("model-1-train-1-1", "two chunks swapped", "seal.broken"),
    ],
)
async def test_no_edge_is_blamed_for_what_the_aggregator_kept(
    live: Live, store: str, body: str, what: str, code: str
) -> None:
    """The strategy's state, or the last global model, after the edges have read it."""
    run = Run(live, store)
    (attack,) = [each for each in ATTACKS if each.what == what]
    made: list[ModelAveraged] = []

    async def spoil(command: RunCycle, said: UpdateSealed) -> Event:
        if command.cycle.number == 2:
            place = live.place
            filter_ = f"ev.acme.model.{command.experiment}.aggregator.averaged.>"
            broker = place.brokers["operator"]
            async for record in verified(broker, people.directory(), filter_, reject=ignore):
                assert isinstance(record.body, ModelAveraged)
                made.append(record.body)
            sealed = made[-1].state if body.startswith("state") else made[-1].model
            assert sealed is not None
            assert sealed.address.endswith(body)
            plain = run.victim(command, said).plain
            victim = Victim(broker.blobs(), place.weed, place.bucket, sealed, plain, "aggregator")
            assert await attack.act(victim) is None
        else:
            run.answered.clear()
            run.others.clear()
        return said

    run.forge = spoil
    history = await run.ended(cycles=2, strategy=settled(Strategy(name="fedadam")))
    assert not [r for r in history if isinstance(r.body, UpdateRejected)]
    (failed,) = [r.body for r in history if isinstance(r.body, ModelFailed)]
    assert failed.failure.code == code
    end = history[-1].body
    assert isinstance(end, ExperimentFailed)
    assert end.failure == failed.failure
