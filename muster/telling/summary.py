"""How an experiment stands, for people and for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bus.events.experiments import QueueReported
from bus.events.metrics import HEADLINES
from bus.events.weights import FederatedScore
from coordinator.domain.callbacks import trained
from coordinator.domain.decide import blocked
from coordinator.domain.schedule import preparing
from coordinator.domain.state import Experiment, Phase
from coordinator.domain.world import World
from muster.client import Client
from muster.telling import failures

_WAITING = {Phase.QUEUED, Phase.RUNNING}


def summary(experiment: Experiment, world: World, queued: QueueReported | None = None) -> dict[str, Any]:
    """The facts about an experiment; ``queued`` is what the coordinator said about its waiting."""
    before = preparing(experiment.spec.data.passes)
    steps = experiment.steps
    return {
        "id": experiment.id,
        "name": experiment.spec.name,
        "owner": experiment.owner,
        "state": experiment.phase.value,
        "cycles_done": max(0, min(experiment.step - before, experiment.last_cycle)),
        "cycles": experiment.spec.cycles,
        "step": str(steps[experiment.step]) if experiment.step < len(steps) else None,
        "dataset": experiment.spec.data.dataset,
        "waiting_for": waiting_for(experiment, world, queued),
        "queue_position": queued.position if queued and queued.position else None,
        "model": experiment.model.digest if experiment.model and experiment.step >= before else None,
        "decided": list(decided(experiment)),
        "scores": [score.model_dump() for score in experiment.scores],
        "failure": failures.facts(experiment.abandoned) if experiment.abandoned else None,
    }


def decided(experiment: Experiment) -> Iterator[str]:
    """What scores of its global models led to, a line each, and why they could not lead to anything."""
    watch, asked = experiment.watch, experiment.spec.callbacks
    watched = (
        (asked.early_stopping and asked.early_stopping.monitor, watch.stopping),
        (asked.reduce_on_plateau and asked.reduce_on_plateau.monitor, watch.plateau),
        (asked.best, watch.result),
    )
    for name in sorted({str(monitor) for monitor, stands in watched if monitor and stands.last_cycle is None}):
        if trained(experiment) > 0:
            yield f"no global model had a value of {name} so far, so that it decided nothing"
    for cycle, factor in watch.factors.items():
        yield f"the learning rate is {factor:g} of the plan's after cycle {cycle}"
    if watch.stopped is not None:
        yield f"training ended early, after cycle {watch.stopped}"
    if watch.chosen is not None:
        yield f"the result is the global model of cycle {watch.chosen}"


async def recent(client: Client, last: int) -> tuple[list[dict[str, Any]], int]:
    """The facts about the newest experiments, the oldest of them first, and how many older ones there are."""
    ids = await client.submissions()
    world = await client.world() if len(ids) <= last else await client.world_of(*ids[-last:])
    known = list(world.experiments.values())
    queued = {e.id: await client.queued(e) for e in known if e.phase is Phase.QUEUED}
    facts = [summary(experiment, world, queued.get(experiment.id)) for experiment in known]
    return facts, max(0, len(ids) - len(known))


def waiting_for(experiment: Experiment, world: World, queued: QueueReported | None = None) -> str | None:
    """What an experiment that does not move is waiting for."""
    if experiment.phase is Phase.SUBMITTED:
        return "the policy engine's answer"
    if queued is not None and experiment.phase is Phase.QUEUED and queued.reason:
        return queued.reason
    if experiment.cycle is not None and experiment.phase is Phase.RUNNING:
        return "updates of " + ", ".join(sorted(experiment.cycle.awaited)) if experiment.cycle.awaited else None
    if experiment.phase in _WAITING and experiment.cycle is None:
        return blocked(experiment, world.fleet)
    return None


def of_one_split(scores: Iterable[FederatedScore]) -> list[FederatedScore]:
    """Those on test rows if there are any, else all: where the name of a metric alone has to say which is meant."""
    known = list(scores)
    return [score for score in known if score.split == "test"] or known


def headlines(scores: Sequence[FederatedScore]) -> list[FederatedScore]:
    """The scores that say most, where there is little room; all of them if nobody knows which."""
    return [score for score in scores if score.name in HEADLINES] or list(scores)


def score_text(score: FederatedScore) -> str:
    """One score, e.g. ``accuracy 0.951``; a missing one says why."""
    if score.value is None:
        return f"{score.name} none ({score.reason})"
    return f"{score.name} {score.value:.4f}"
