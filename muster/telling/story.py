"""Events as lines that people can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from bus.events import Body
from bus.events.callbacks import ModelChosen, RateReduced, StoppedEarly
from bus.events.custody import Keep, PurgeRequested, WeightsPurged, WeightsReleased
from bus.events.cycles import (
    CycleAbandoned,
    CycleClosed,
    CycleExpired,
    CycleOpened,
    ModelAveraged,
    ModelEvaluated,
    ModelFailed,
    UpdateFailed,
    UpdateRejected,
    UpdateSealed,
)
from bus.events.experiments import (
    ExperimentAdmitted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentRefused,
    ExperimentStarted,
    ExperimentSubmitted,
)
from bus.events.governance import ExperimentHeld
from bus.events.weights import FederatedScore, SealedObject
from bus.wire.record import Record
from muster.telling import failures
from muster.telling.summary import headlines, of_one_split, score_text

B = TypeVar("B", bound=Body)


@dataclass(frozen=True)
class Line:
    """One event, told.

    Attributes:
        text: For a terminal.
        facts: For JSON.
    """

    text: str
    facts: dict[str, Any]


def told(record: Record) -> Line:
    """``record`` as a line."""
    body = record.body
    what = _TELLERS[type(body)](body) if type(body) in _TELLERS else str(getattr(body, "reason", ""))
    time = record.envelope.time.astimezone().strftime("%H:%M:%S.%f")[:-3]
    facts = {
        "sequence": record.sequence,
        "id": record.id,
        "time": record.envelope.time.isoformat(),
        "type": body.TYPE,
        "actor": record.actor,
        "causation": record.envelope.causation,
        "body": body.model_dump(mode="json"),
    }
    if told_of := [failures.facts(failure) for failure in failures.within(body)]:
        facts["failures"] = told_of
    return Line(f"{time}  {record.sequence:>6}  {record.actor:<14} {body.TYPE:<22} {what}".rstrip(), facts)


Teller = Callable[[Any], str]
_TELLERS: Final[dict[type[Body], Teller]] = {}


def _tells(kind: type[B]) -> Callable[[Callable[[B], str]], Callable[[B], str]]:
    def register(teller: Callable[[B], str]) -> Callable[[B], str]:
        _TELLERS[kind] = cast("Teller", teller)
        return teller

    return register


@_tells(ExperimentSubmitted)
def _submitted(body: ExperimentSubmitted) -> str:
    some = sum(split.rows for split in body.data.taken.values())
    which = f", {some} training rows" if some else ""
    return f"{body.name!r}: {body.cycles} cycles of {body.strategy.name} on {body.data.dataset!r}{which}"


@_tells(ExperimentAdmitted)
def _admitted(body: ExperimentAdmitted) -> str:
    return "; ".join(body.reasons)


@_tells(ExperimentRefused)
def _refused(body: ExperimentRefused) -> str:
    return "; ".join(body.reasons)


@_tells(ExperimentHeld)
def _held(body: ExperimentHeld) -> str:
    return "; ".join(body.reasons)


@_tells(ExperimentStarted)
def _started(body: ExperimentStarted) -> str:
    return ", ".join(body.edges)


@_tells(CycleOpened)
def _opened(body: CycleOpened) -> str:
    rate = f"; learning rate x {body.rate_factor:g}" if body.rate_factor != 1 else ""
    return f"{body.cycle}: {', '.join(body.cohort)}; quorum {body.quorum}{rate}"


@_tells(UpdateSealed)
def _sealed(body: UpdateSealed) -> str:
    size = f", {_size(body.weights)}" if body.weights else ""
    return f"{body.cycle}: {body.examples} examples{size}, {body.resources.wall_s:.1f} s"


def _size(body: SealedObject) -> str:
    if body.encoded is None:
        return f"{body.size_bytes} bytes"
    return f"{body.sent_bytes} bytes in place of {body.size_bytes}"


@_tells(UpdateFailed)
def _update_failed(body: UpdateFailed) -> str:
    return f"{body.cycle}: {failures.line(body.failure)}"


@_tells(UpdateRejected)
def _rejected(body: UpdateRejected) -> str:
    return f"{body.cycle}: {body.edge}: {failures.line(body.failure)}"


@_tells(CycleExpired)
def _expired(body: CycleExpired) -> str:
    return f"{body.cycle}: the deadline passed"


@_tells(CycleClosed)
def _closed(body: CycleClosed) -> str:
    left_out = "".join(f"; without {o.edge}: {failures.told(o.failure)}" for o in body.left_out)
    return f"{body.cycle}: {len(body.included)} updates{left_out}"


@_tells(CycleAbandoned)
def _abandoned(body: CycleAbandoned) -> str:
    return f"{body.cycle}: {body.reason}"


@_tells(ModelAveraged)
def _averaged(body: ModelAveraged) -> str:
    return f"{body.cycle}: {body.model.digest[:19]}... of {body.weight} examples{_scores(body.scores)}"


@_tells(ModelEvaluated)
def _evaluated(body: ModelEvaluated) -> str:
    return f"{body.cycle}{_scores(body.scores)}"


@_tells(ModelFailed)
def _model_failed(body: ModelFailed) -> str:
    return f"{body.cycle}: {failures.line(body.failure)}"


@_tells(StoppedEarly)
def _stopped_early(body: StoppedEarly) -> str:
    return f"after cycle {body.cycle}: {body.reason}"


@_tells(RateReduced)
def _rate_reduced(body: RateReduced) -> str:
    return f"after cycle {body.cycle}: {body.reason}"


@_tells(ModelChosen)
def _chosen(body: ModelChosen) -> str:
    return f"that of cycle {body.cycle}, {body.model.digest[:19]}...: {body.reason}"


@_tells(WeightsReleased)
def _released(body: WeightsReleased) -> str:
    told = (("updates", body.updates), ("outcomes", body.outcomes))
    return "; ".join([*(f"{what} of {', '.join(steps)}" for what, steps in told if steps), body.reason])


@_tells(WeightsPurged)
def _purged(body: WeightsPurged) -> str:
    left = f"; not removed: what lies in {', '.join(body.left)}" if body.left else ""
    return f"{body.bodies} bodies removed{left}"


@_tells(PurgeRequested)
def _purge_requested(body: PurgeRequested) -> str:
    return f"keep {body.keep}" + (f" {body.last}" if body.keep is Keep.LAST else "")


@_tells(ExperimentFailed)
def _failed(body: ExperimentFailed) -> str:
    return failures.line(body.failure)


@_tells(ExperimentCompleted)
def _completed(body: ExperimentCompleted) -> str:
    return f"{body.model.digest}{_scores(body.scores)}"


def _scores(scores: tuple[FederatedScore, ...]) -> str:
    last = [score for score in scores if score.stage == "trained"] or of_one_split(scores)
    shown = [score_text(score) for score in headlines(last) if score.value is not None]
    return "; " + ", ".join(shown) if shown else ""
