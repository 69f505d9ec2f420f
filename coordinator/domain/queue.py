"""Who may start next: a place at each edge for every running experiment, shared out fairly between vendors.

An edge takes part in a bounded number of experiments at once. Queued experiments are ordered so that the vendor with
the fewest running ones comes first, then the one that was submitted first. An experiment whose turn it is, but which
finds an edge full, keeps the places that it waits for: those behind it cannot take them, so nobody waits for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bus.events.base import ExperimentId, OwnerId, PrincipalId
from coordinator.domain.state import Experiment, Phase

_RUNNING = frozenset({Phase.RUNNING, Phase.AVERAGING})


@dataclass(frozen=True)
class Place:
    """Where a queued experiment stands.

    Attributes:
        position: From 1.
        full: Edges at which there is no place; it may start when there are none.
    """

    position: int
    full: tuple[PrincipalId, ...]


def running(experiment: Experiment) -> bool:
    """Whether it takes up places."""
    return experiment.started and experiment.phase in _RUNNING


def queue(
    experiments: Iterable[Experiment], able: Mapping[ExperimentId, tuple[PrincipalId, ...]], places: int
) -> dict[ExperimentId, Place]:
    """The queue.

    Args:
        experiments: All of them, in the order of their submission.
        able: Queued experiments that could start if there is room -> the edges that they would use.
        places: Experiments that an edge takes part in at once.
    """
    known = list(experiments)
    taken: Counter[PrincipalId] = Counter()
    vendors: Counter[OwnerId] = Counter()
    for experiment in known:
        if running(experiment):
            taken.update(experiment.spec.recipients)
            vendors[experiment.owner] += 1
    waiting = [experiment for experiment in known if experiment.id in able]
    found: dict[ExperimentId, Place] = {}
    while waiting:
        turn = min(waiting, key=lambda e: vendors[e.owner])
        waiting.remove(turn)
        wanted = able[turn.id]
        found[turn.id] = Place(len(found) + 1, tuple(edge for edge in wanted if taken[edge] >= places))
        taken.update(wanted)
        vendors[turn.owner] += 1
    return found
