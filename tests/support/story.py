"""Builds records for pure domains without a broker: who said what, in order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from bus.events import Event
from bus.events.base import DatasetId, Digest, ExperimentId, OwnerId, PrincipalId
from bus.events.cycles import Cycle, CycleClosed, ModelAveraged, ModelEvaluated, UpdateFailed, UpdateSealed
from bus.events.datasets import Column, ColumnKind, DatasetRegistered, Split
from bus.events.experiments import ExperimentSubmitted, Failure, Limits, Strategy, TaskData
from bus.events.weights import Resources, SealedObject
from bus.wire import envelope, subjects
from bus.wire.record import Record

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
EDGES = ("hospital-a", "hospital-b", "hospital-c")
X = ExperimentId("01X")
ROWS = 100


class Story:
    """Numbers records and lets time pass: one second per record."""

    def __init__(self) -> None:
        self._sequence = count(1)
        self.now = START

    def said(self, body: Event, by: str, owner: str = "acme") -> Record:
        self.now += timedelta(seconds=1)
        subject = subjects.of(body, owner=owner, actor=by)
        wrapped = envelope.wrap(body, subject=subject, actor=PrincipalId(by), time=self.now)
        return Record(wrapped, next(self._sequence), self.now)


def sealed(name: str) -> SealedObject:
    return SealedObject(
        address=f"w.acme.x.01X.{name}",
        digest=Digest(f"sha256:{name}"),
        size_bytes=10,
        chunk_bytes=10,
        layout=Digest("sha256:l"),
    )


def submission(**changes: object) -> ExperimentSubmitted:
    spec = ExperimentSubmitted(
        experiment=X,
        name="test",
        framework="sklearn",
        data=TaskData(
            category="tabular_classification",
            dataset=DatasetId("cancer"),
            features=("radius",),
            target="diagnosis",
            classes=("0", "1"),
        ),
        cycles=2,
        deadline_s=600.0,
        seed=0,
        strategy=Strategy(name="fedavg"),
        training="{}",
        limits=Limits(memory_bytes=1, cpu_s=1, wall_s=1, disk_bytes=1, processes=1),
        code=sealed("code"),
        recipients=tuple(PrincipalId(e) for e in EDGES),
        plan_digest=Digest("sha256:plan"),
    )
    return spec.model_copy(update=changes)


def registered(edge: str, dataset: str = "cancer", **changes: object) -> DatasetRegistered:
    body = DatasetRegistered(
        dataset=DatasetId(dataset),
        edge=PrincipalId(edge),
        revision=1,
        category="tabular_classification",
        target="diagnosis",
        columns=tuple(Column(name=n, kind=ColumnKind.REAL, sql_type="DOUBLE") for n in ("radius", "diagnosis")),
        splits={"train": Split(rows=ROWS)},
        digest=Digest("sha256:d"),
    )
    return body.model_copy(update=changes)


def update(edge: str, cycle: Cycle, examples: int = 10) -> UpdateSealed:
    return UpdateSealed(
        experiment=X,
        cycle=cycle,
        command="c",
        weights=sealed(f"update-{edge}-{cycle}"),
        examples=examples,
        resources=Resources(wall_s=1, cpu_s=1, peak_memory_bytes=1),
        environment=Digest("sha256:e"),
    )


def failed(edge: str, cycle: Cycle, trial: int = 1, *, retryable: bool = True, category: str = "infra") -> UpdateFailed:
    failure = Failure(category=category, code="x.y", message="it broke", edge=PrincipalId(edge))
    return UpdateFailed(experiment=X, cycle=cycle, trial=trial, command="c", failure=failure, retryable=retryable)


def averaged(closed: CycleClosed) -> ModelAveraged | ModelEvaluated:
    about = {"experiment": closed.experiment, "cycle": closed.cycle, "revision": closed.revision}
    if closed.cycle.kind == "evaluate":
        return ModelEvaluated(**about, scores=())
    return ModelAveraged(**about, model=sealed(f"model-{closed.cycle}"), contributors={}, weight=1)


def owner(name: str) -> OwnerId:
    return OwnerId(name)


def types(events: Iterable[Event]) -> list[str]:
    return [event.TYPE for event in events]
