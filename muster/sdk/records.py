"""What the SDK tells of a federation: datasets, edges, experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Self

from bus.events.datasets import Column, DatasetRegistered
from bus.events.principals import EdgeEnrolled
from bus.events.weights import FederatedScore
from coordinator.domain.state import Phase
from muster.sdk.listing import html_table
from muster.telling.summary import headlines, score_text

_GIB: Final = 1024**3


@dataclass(frozen=True)
class Dataset:
    """What one edge holds under a name that several may share. Metadata: rows never leave the edge.

    Attributes:
        name: Of the dataset.
        edge: Who holds it.
        category: What it is meant for, e.g. ``tabular_classification``.
        target: The column to be learned.
        columns: All columns, with kinds and missing cells.
        rows: ``train`` and ``test`` -> rows.
        classes: Class -> training rows; ``None`` where the target is not a class.
    """

    name: str
    edge: str
    category: str
    target: str
    columns: tuple[Column, ...]
    rows: Mapping[str, int]
    classes: Mapping[str, int] | None

    @classmethod
    def of(cls, body: DatasetRegistered) -> Self:
        """What an edge registered."""
        rows = {name: split.rows for name, split in body.splits.items()}
        train = body.splits.get("train")
        return cls(
            body.dataset,
            body.edge,
            body.category,
            body.target,
            body.columns,
            rows,
            None if train is None else train.classes,
        )


DATASETS: Final[Mapping[str, Callable[[Dataset], object]]] = {
    "dataset": lambda each: each.name,
    "edge": lambda each: each.edge,
    "category": lambda each: each.category,
    "target": lambda each: each.target,
    "columns": lambda each: len(each.columns),
    "rows": lambda each: ", ".join(f"{split} {count}" for split, count in each.rows.items()),
    "classes": lambda each: ", ".join(f"{name}: {count}" for name, count in sorted((each.classes or {}).items())),
}


@dataclass(frozen=True)
class Edge:
    """A place that holds data and trains there.

    Attributes:
        name: Of the edge.
        live: Whether it counts as present.
        cpus: Its processors.
        memory_bytes: Its memory.
        frameworks: What it can train.
        isolation: How it keeps workers in.
        release: Of Muster.
    """

    name: str
    live: bool
    cpus: int
    memory_bytes: int
    frameworks: tuple[str, ...]
    isolation: str
    release: str

    @classmethod
    def of(cls, body: EdgeEnrolled, *, live: bool) -> Self:
        """What an edge said when it enrolled."""
        has = body.capacity
        return cls(body.edge, live, has.cpus, has.memory_bytes, body.frameworks, body.isolation, body.release)


EDGES: Final[Mapping[str, Callable[[Edge], object]]] = {
    "edge": lambda each: each.name,
    "live": lambda each: "yes" if each.live else "no",
    "cpus": lambda each: each.cpus,
    "memory": lambda each: f"{each.memory_bytes / _GIB:.1f} GiB",
    "frameworks": lambda each: ", ".join(each.frameworks),
    "isolation": lambda each: each.isolation,
    "release": lambda each: each.release,
}


@dataclass(frozen=True)
class Status:
    """How an experiment stands.

    Attributes:
        id: Its id.
        name: Of its plan.
        owner: Whose business it is.
        state: ``submitted``, ``refused``, ``queued``, ``running``, ``averaging``, ``paused``, ``stopped``, ``aborted``,
            ``failed`` or ``completed``.
        cycles_done: Training cycles that have a global model.
        cycles: Training cycles of the plan.
        step: The cycle that runs or comes next; ``None`` at the end.
        dataset: What it learns from.
        waiting_for: What it waits for; ``None`` if for nothing.
        queue_position: From 1; ``None`` if it does not wait for room.
        model: Digest of the newest global model; ``None`` before the first.
        decided: What scores of its global models led to, such as an early end; a line each.
        scores: Of the newest outcome.
        failure: Why the last attempt at a cycle failed: code, number, message, edge, phase, next step, ...
    """

    id: str
    name: str
    owner: str
    state: str
    cycles_done: int
    cycles: int
    step: str | None
    dataset: str
    waiting_for: str | None
    queue_position: int | None
    model: str | None
    decided: tuple[str, ...]
    scores: tuple[FederatedScore, ...]
    failure: Mapping[str, Any] | None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From the facts of ``muster.telling.summary``."""
        failure = facts["failure"]
        kept = {field.name: facts[field.name] for field in fields(cls)}
        kept["decided"] = tuple(facts["decided"])
        kept["scores"] = tuple(FederatedScore.model_validate(score) for score in facts["scores"])
        kept["failure"] = None if failure is None else MappingProxyType(failure)
        return cls(**kept)

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return Phase(self.state).final

    def __str__(self) -> str:
        return "\n".join(f"{name:<12} {value}" for name, value in self._shown())

    def _repr_html_(self) -> str:
        return html_table(("experiment", self.id), [[name, str(value)] for name, value in self._shown()[1:]])

    def _shown(self) -> list[tuple[str, object]]:
        cycles = f"{self.cycles_done} of {self.cycles}"
        shown: list[tuple[str, object]] = [("experiment", self.id), ("name", self.name), ("state", self.state)]
        shown += [("dataset", self.dataset), ("cycles", cycles), ("waiting for", self.waiting_for)]
        shown += [("decided", line) for line in self.decided]
        shown += [(score.split, score_text(score)) for score in headlines(self.scores)]
        if self.failure is not None:
            shown.append(("failure", self.failure["message"]))
        return [(name, value) for name, value in shown if value is not None]


EXPERIMENTS: Final[Mapping[str, Callable[[Status], object]]] = {
    "id": lambda each: each.id,
    "name": lambda each: each.name,
    "state": lambda each: each.state,
    "cycles": lambda each: f"{each.cycles_done}/{each.cycles}",
    "dataset": lambda each: each.dataset,
    "waiting for": lambda each: each.waiting_for or "",
}


@dataclass(frozen=True)
class Happening:
    """One event of an experiment.

    Attributes:
        text: For people.
        facts: ``type``, ``actor``, ``time``, ``sequence``, ``body`` and so on, as ``muster log --json`` has them.
    """

    text: str
    facts: Mapping[str, Any]

    @property
    def type(self) -> str:
        """What it is, e.g. ``cycle.closed``."""
        return str(self.facts["type"])

    def __repr__(self) -> str:
        return self.text


EVENTS: Final[Mapping[str, Callable[[Happening], object]]] = {"event": lambda each: each.text}
