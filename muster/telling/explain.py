"""The story of an experiment in sentences: who waited for whom, what was left out and why, how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bus.events.base import PrincipalId
from bus.events.callbacks import NOT_FINITE, ModelChosen, RateReduced, StoppedEarly
from bus.events.custody import WeightsReleased
from bus.events.cycles import (
    CycleAbandoned,
    CycleClosed,
    CycleExpired,
    CycleKind,
    CycleOpened,
    ModelAveraged,
    ModelEvaluated,
    ModelFailed,
    UpdateFailed,
    UpdateRejected,
    UpdateSealed,
)
from bus.events.experiments import (
    ExperimentAborted,
    ExperimentAdmitted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentPaused,
    ExperimentRefused,
    ExperimentRequeued,
    ExperimentResumed,
    ExperimentStarted,
    ExperimentStopped,
    ExperimentSubmitted,
    Failure,
    Request,
)
from bus.events.governance import ExperimentHeld, ExperimentReleased
from bus.wire.record import Record
from muster.errors.catalogue import of_failure
from muster.telling import failures
from muster.telling.summary import headlines, of_one_split, score_text

_LONG_S: Final = 1.0
"""Waits shorter than this are not worth a sentence."""
_STAGES: Final = {
    CycleKind.STATISTICS: "Summing up the columns",
    CycleKind.INITIALISE: "Making the first model",
    CycleKind.EVALUATE: "Evaluating",
}


@dataclass
class _Cycle:
    """A cycle that is being told."""

    opened: CycleOpened
    at: datetime
    answers: list[tuple[PrincipalId, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    told: list[Failure] = field(default_factory=list)
    closed: CycleClosed | None = None

    def fail(self, note: str, failure: Failure) -> None:
        """Note a failure, with where it happened and what to do the first time that it is told."""
        self.notes.append(note)
        if failure not in self.told:
            self.told.append(failure)
            self.notes += _more(failure)

    @property
    def name(self) -> str:
        cycle = self.opened.cycle
        what = _STAGES.get(cycle.kind, f"Cycle {cycle.number}")
        return what if cycle.attempt == 1 else f"{what}, attempt {cycle.attempt},"


class Teller:
    """Takes events in and makes sentences of them."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self._submitted: datetime | None = None
        self._cycle: _Cycle | None = None
        self._last: datetime | None = None
        self._terminates = False

    def add(self, record: Record) -> None:
        """Take in the next event."""
        self._beginning(record)
        self._wishes(record)
        self._decided(record)
        self._in_cycle(record)
        self._ending(record)
        self._last = record.envelope.time

    def _say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def _beginning(self, record: Record) -> None:
        body, now = record.body, record.envelope.time
        if isinstance(body, ExperimentSubmitted):
            self._submitted = now
            self._terminates = body.callbacks.terminate_on_nan
            when = now.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            cycles = "1 cycle" if body.cycles == 1 else f"{body.cycles} cycles"
            self._say(
                f"{record.actor} submitted {body.name!r} at {when}: {cycles} of {body.strategy.name} on "
                f"{body.data.dataset!r}, for {_listed(body.recipients)}."
            )
            if body.origin is not None:
                of = f"cycle {body.origin.cycle} of {body.origin.experiment}"
                self._say(f"It averages the updates of {of} anew." if body.origin.anew else f"It goes on from {of}.")
        elif isinstance(body, ExperimentAdmitted):
            self._say(f"The policy engine admitted it: {'; '.join(body.reasons)}.")
        elif isinstance(body, ExperimentStarted) and self._last is not None:
            waited = (now - self._last).total_seconds()
            if waited > _LONG_S:
                self._say(f"It waited {_span(waited)} before enough edges were there and had room.")

    def _wishes(self, record: Record) -> None:
        body = record.body
        if isinstance(body, Request):
            wish = body.TYPE.split(".")[1].removesuffix("_requested")
            reason = f": {body.reason}" if body.reason else ""
            self._say(f"{record.actor} asked to {wish} it{reason}.")
        elif isinstance(body, ExperimentHeld):
            self._say(f"The policy engine held it: {'; '.join(body.reasons)}.")
        elif isinstance(body, ExperimentReleased):
            self._say("The policy engine let it go on.")
        elif isinstance(body, WeightsReleased):
            self._say(f"Sealed weights were let go, since {body.reason}: {_gone(body)}.")
        elif isinstance(body, ExperimentPaused):
            self._say("It was paused: no further cycle opened.")
        elif isinstance(body, ExperimentRequeued):
            self._say(f"It went back to the queue, so that others have its places: {body.reason}.")
        elif isinstance(body, ExperimentResumed) and self._last is not None:
            rested = (record.envelope.time - self._last).total_seconds()
            self._say(f"It went on{f' after {_span(rested)}' if rested > _LONG_S else ''}.")

    def _decided(self, record: Record) -> None:
        """What scores of the global models led to."""
        body = record.body
        if isinstance(body, StoppedEarly):
            self._say(f"Training ended early, after cycle {body.cycle}: {body.reason}.")
        elif isinstance(body, RateReduced):
            self._say(f"The learning rate was lowered after cycle {body.cycle}: {body.reason}.")
        elif isinstance(body, ModelChosen):
            self._say(f"The result is the global model of cycle {body.cycle}: {body.reason}.")

    def _in_cycle(self, record: Record) -> None:
        body = record.body
        if isinstance(body, CycleOpened):
            self._cycle = _Cycle(body, record.envelope.time)
            return
        cycle = self._cycle
        if cycle is None or getattr(body, "cycle", None) != cycle.opened.cycle:
            if isinstance(body, UpdateSealed | UpdateFailed):
                self._say(f"{record.actor} answered {body.cycle} when that was over: recorded, and left out.")
            return
        self._answer(cycle, record)
        self._outcome(cycle, record)

    @staticmethod
    def _answer(cycle: _Cycle, record: Record) -> None:
        body = record.body
        if isinstance(body, UpdateSealed):
            if cycle.closed is not None:
                cycle.notes.append(f"{record.actor} answered too late: recorded, and left out")
            cycle.answers.append((record.actor, (record.envelope.time - cycle.at).total_seconds()))
        elif isinstance(body, UpdateFailed):
            again = "it may try again" if body.retryable else "trying again would not help"
            cycle.fail(f"{record.actor} could not do it: {failures.told(body.failure)}; {again}", body.failure)
        elif isinstance(body, UpdateRejected):
            cycle.fail(
                f"the aggregator could not use the update of {body.edge}: {failures.told(body.failure)}", body.failure
            )
        elif isinstance(body, CycleExpired):
            cycle.notes.append("the deadline passed")

    def _outcome(self, cycle: _Cycle, record: Record) -> None:
        body, now = record.body, record.envelope.time
        if isinstance(body, CycleClosed):
            cycle.closed = body
        elif isinstance(body, CycleAbandoned):
            for left in body.left_out:
                if left.failure not in cycle.told:
                    cycle.fail(f"without {left.edge}: {failures.told(left.failure)}", left.failure)
            self._finish(cycle, now, f"was given up: {body.reason}")
        elif isinstance(body, ModelFailed):
            self._finish(cycle, now, f"led to no model: {failures.told(body.failure)}")
            for more in _more(body.failure):
                self._say(f"  {_sentence(more)}")
        elif isinstance(body, ModelAveraged | ModelEvaluated):
            if isinstance(body, ModelAveraged) and body.selected is not None and cycle.closed is not None:
                cycle.notes.append(f"{cycle.closed.strategy.name} chose the {_chosen(body.selected)}")
            if isinstance(body, ModelAveraged) and body.members is not None:
                cycle.notes += [_added(group, added) for group, added in body.members.items()]
            self._finish(cycle, now, None)

    def _finish(self, cycle: _Cycle, now: datetime, failed: str | None) -> None:
        took = _span((now - cycle.at).total_seconds())
        if failed is not None:
            self._say(f"{cycle.name} {failed} (after {took}).")
        else:
            assert cycle.closed is not None
            count, whole = len(cycle.closed.included), len(cycle.opened.cohort)
            self._say(f"{cycle.name} took {took}, with {count} of {whole} updates{_last_one(cycle.answers)}.")
            for left in cycle.closed.left_out:
                self._say(f"  Without {left.edge}: {left.failure.message.rstrip('.')} ({left.failure.code}).")
                if left.failure not in cycle.told:
                    cycle.fail(f"{left.edge} did not take part: {failures.told(left.failure)}", left.failure)
        for note in cycle.notes:
            self._say(f"  {_sentence(note)}")
        self._cycle = None

    def _ending(self, record: Record) -> None:
        body = record.body
        took = _span((record.envelope.time - self._submitted).total_seconds()) if self._submitted else "some time"
        if isinstance(body, ExperimentCompleted):
            scores = ", ".join(score_text(score) for score in headlines(of_one_split(body.scores)))
            self._say(f"It completed after {took}{f' with {scores}' if scores else ''}. Model {body.model.digest}.")
        elif isinstance(body, ExperimentFailed):
            asked = self._terminates and body.failure.code == NOT_FINITE
            why = ", for which its plan ends it at once (callbacks.terminate_on_nan)" if asked else ""
            self._say(f"It failed after {took}: {failures.told(body.failure)}{why}.")
            for more in _more(body.failure):
                self._say(_sentence(more))
        elif isinstance(body, ExperimentRefused):
            self._say(f"The policy engine refused it: {'; '.join(body.reasons)}.")
        elif isinstance(body, ExperimentStopped):
            self._say("It was stopped; its last global model is kept, and it can be resumed.")
        elif isinstance(body, ExperimentAborted):
            self._say("It was aborted; nothing of it counts.")


def explained(history: Iterable[Record]) -> list[str]:
    """The story of one experiment.

    Args:
        history: All its events, in order.
    """
    teller = Teller()
    for record in history:
        teller.add(record)
    return teller.sentences


def _added(group: str, added: Mapping[PrincipalId, int]) -> str:
    who = ", ".join(f"{edge} {count}" for edge, count in added.items())
    return f"added to {group}: {who}"


def _gone(body: WeightsReleased) -> str:
    told = (("updates", body.updates), ("outcomes", body.outcomes))
    return "; ".join(f"{what} of {', '.join(steps)}" for what, steps in told if steps)


def _chosen(edges: tuple[PrincipalId, ...]) -> str:
    return f"update{'' if len(edges) == 1 else 's'} of {_listed(edges)}"


def _last_one(answers: list[tuple[PrincipalId, float]]) -> str:
    """Who kept the others waiting, if it was long."""
    if len(answers) < 2:
        return ""
    (_, first), (slowest, last) = answers[0], answers[-1]
    return f"; {slowest} came last, {_span(last - first)} after the first" if last - first > _LONG_S else ""


def _more(failure: Failure) -> list[str]:
    """Where in the code it happened, and what to do: clauses."""
    entry = of_failure(failure.category, failure.code)
    where = failures.trace(failure)
    return [*([f"where: {where}"] if where else []), f"{failures.step(failure)} (muster errors {entry.label})"]


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
