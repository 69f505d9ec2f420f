"""What of an experiment's sealed weights nobody needs and no rule keeps: pure, from the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from bus.events.base import ExperimentId, OwnerId, PrincipalId
from bus.events.custody import Keep, WeightsReleased
from bus.events.cycles import Cycle
from bus.events.experiments import ExperimentSubmitted
from coordinator.domain.schedule import beginning, preparing, schedule

_ORDER: Final = tuple(Keep)


@dataclass(frozen=True)
class Rule:
    """What is kept.

    Attributes:
        keep: How much.
        last: How many global models ``last`` keeps.
        days: After how many days an experiment that is over keeps its newest model alone.
    """

    keep: Keep = Keep.EVERYTHING
    last: int = 1
    days: float | None = None


@dataclass(frozen=True)
class Bodies:
    """Bodies of one experiment, by indices of its schedule.

    Attributes:
        updates: Steps whose updates are meant.
        outcomes: Steps whose outcome is meant.
    """

    updates: frozenset[int] = frozenset()
    outcomes: frozenset[int] = frozenset()

    def __or__(self, other: Bodies) -> Bodies:
        return Bodies(self.updates | other.updates, self.outcomes | other.outcomes)

    def __sub__(self, other: Bodies) -> Bodies:
        return Bodies(self.updates - other.updates, self.outcomes - other.outcomes)

    def __bool__(self) -> bool:
        return bool(self.updates or self.outcomes)


@dataclass(frozen=True)
class Holding:
    """What there is of one experiment.

    Attributes:
        id: Of the experiment.
        owner: Whose it is.
        edges: That take part.
        cycles: Training cycles that it shall have.
        passes: How often its edges sum up their rows before.
        begin: Index of its first own step.
        origin: For a fork, where it begins: experiment, cycle, and whether that is averaged anew.
        step: Index of the step that runs or comes next; all before it are averaged. Before ``begin`` until it starts.
        result: Number of the cycle whose model is its result, or would be now, because it is the best; ``None`` if that
            is the newest.
        over: When it ended for good.
        asked: What the operator wants for this experiment besides the rule.
        needs: Fork that is not over -> what of this it may still read.
        origins: Cycles with whose model some experiment began, whatever became of it.
        released: What was let go.
        turn: Counts releases.
        strand: Sequence of the coordinator's last words about it.
    """

    id: ExperimentId
    owner: OwnerId
    edges: tuple[PrincipalId, ...]
    cycles: int
    passes: int = 1
    begin: int = 0
    origin: tuple[ExperimentId, int, bool] | None = None
    step: int = -1
    result: int | None = None
    over: datetime | None = None
    asked: Rule = field(default_factory=Rule)
    needs: Mapping[ExperimentId, Bodies] = field(default_factory=dict)
    origins: frozenset[int] = frozenset()
    released: Bodies = field(default_factory=Bodies)
    turn: int = 0
    strand: int = 0

    @property
    def began(self) -> bool:
        """Whether it ever ran."""
        return self.step >= self.begin

    @property
    def steps(self) -> tuple[Cycle, ...]:
        """All of its cycles, in order."""
        return schedule(self.cycles, self.passes)

    def made(self, cycle: int) -> int:
        """Index of the step that makes the model of a training cycle; 0 is that of the first model."""
        return preparing(self.passes) + cycle - 1


def holding(owner: OwnerId, asked: ExperimentSubmitted) -> Holding:
    """That of an experiment that was just submitted."""
    origin = asked.origin
    begin = beginning(asked)
    return Holding(
        asked.experiment,
        owner,
        asked.recipients,
        asked.cycles,
        asked.data.passes,
        begin,
        None if origin is None else (origin.experiment, origin.cycle, origin.anew),
        begin - 1,
    )


def of_fork(holdings: Mapping[ExperimentId, Holding], fork: Holding) -> Iterator[tuple[Holding, Bodies, int]]:
    """What a fork may read of the experiment that it goes on from, and of those that one went on from.

    Args:
        holdings: All.
        fork: The fork.

    Yields:
        Whose, what, and the cycle with whose model it begins.
    """
    origin = fork.origin
    while origin is not None:
        experiment, cycle, anew = origin
        parent = holdings.get(experiment)
        if parent is None or parent.owner != fork.owner or parent.id == fork.id:
            return
        model = parent.made(cycle)
        yield parent, Bodies(frozenset({model}) if anew else frozenset(), frozenset({model, model - 1})), cycle
        # What the parent did not make itself lies where the parent began.
        further = parent.origin is not None and parent.begin > model - 1
        origin = parent.origin if further else None


def due(held: Holding, rule: Rule, now: datetime) -> Bodies:
    """All bodies of an experiment that are to go, those included that went already.

    Args:
        held: The experiment.
        rule: Of the federation.
        now: The time at the broker.
    """
    if not held.began:
        return Bodies()
    aged = Rule(Keep.FINAL) if held.over is not None and _aged(held.over, rule, now) else Rule()
    free = Bodies()
    for each in (rule, held.asked, aged):
        free |= _free(held, each) - _protected(held, each.keep)
    return free


def release(held: Holding, rule: Rule, now: datetime) -> WeightsReleased | None:
    """What is to be said about it now; ``None`` if nothing is to go. The arguments are those of ``due``."""
    going = due(held, rule, now) - held.released
    if not going:
        return None
    steps = held.steps
    return WeightsReleased(
        experiment=held.id,
        turn=held.turn + 1,
        updates=tuple(name(steps[index]) for index in sorted(going.updates)),
        outcomes=tuple(name(steps[index]) for index in sorted(going.outcomes)),
        edges=held.edges,
        reason=_reason(held, rule, now),
    )


def released(held: Holding, said: WeightsReleased) -> Holding:
    """The holding after a release."""
    places = {name(step): index for index, step in enumerate(held.steps)}
    gone = Bodies(*(frozenset(places[step] for step in steps) for steps in (said.updates, said.outcomes)))
    return replace(held, released=held.released | gone, turn=said.turn)


def name(step: Cycle) -> str:
    """A step, whatever the attempt: how bodies of it begin, after ``update-``, ``model-`` or ``state-``."""
    return f"{step.number}-{step.kind.value}"


def ages_at(held: Holding, rule: Rule) -> datetime | None:
    """When age alone lets something go; ``None`` if it never does."""
    return None if held.over is None or rule.days is None else held.over + timedelta(days=rule.days)


def _aged(over: datetime, rule: Rule, now: datetime) -> bool:
    return rule.days is not None and now >= over + timedelta(days=rule.days)


def _free(held: Holding, rule: Rule) -> Bodies:
    """What a rule lets go, whoever may need it."""
    keep = rule.keep
    if keep is Keep.EVERYTHING or (held.over is None and keep in {Keep.FINAL, Keep.NOTHING}):
        return Bodies()
    made = held.made(held.cycles)  # the evaluation makes nothing
    if keep is Keep.NOTHING:
        return Bodies(_steps(held, min(held.step, made)), _steps(held, min(held.step, made)))
    # While it runs, an update may be averaged again until the outcome after it is there.
    updates = _steps(held, min(held.step if held.over is not None else held.step - 2, made))
    if keep is Keep.MODELS:
        return Bodies(updates)
    newest = min(held.step - 1, made)
    if keep is Keep.LAST:
        return Bodies(updates, _steps(held, newest - rule.last))
    return Bodies(updates, _steps(held, newest if held.result is not None else newest - 1))


def _steps(held: Holding, last: int) -> frozenset[int]:
    return frozenset(range(held.begin, last + 1))


def _protected(held: Holding, keep: Keep) -> Bodies:
    """What forks need, its own result, and models that somebody else may have as a result."""
    results = held.origins if held.result is None else held.origins | {held.result}
    kept = Bodies(frozenset(), frozenset(map(held.made, results)) if keep is not Keep.NOTHING else frozenset())
    for needed in held.needs.values():
        kept |= needed
    return kept


def _reason(held: Holding, rule: Rule, now: datetime) -> str:
    if held.over is not None and _aged(held.over, rule, now):
        return f"it has been over for {rule.days:g} days"
    strictest = max((rule, held.asked), key=lambda each: _ORDER.index(each.keep))
    who = "the operator asked" if strictest is held.asked else "the rule of the federation is"
    count = f" {strictest.last}" if strictest.keep is Keep.LAST else ""
    return f"{who} to keep {strictest.keep}{count}"


def without(holdings: Iterable[Holding], fork: ExperimentId) -> Iterator[Holding]:
    """The holdings of which a fork that is over needs nothing any more, changed."""
    for held in holdings:
        if fork in held.needs:
            yield replace(held, needs={key: bodies for key, bodies in held.needs.items() if key != fork})
