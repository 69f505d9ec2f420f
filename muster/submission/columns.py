"""Which columns an experiment learns from, and what is done to them: a plan against what the edges registered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from bus.errors import Invalid
from bus.events.base import PrincipalId
from bus.events.datasets import Column, ColumnKind, DatasetRegistered
from bus.suggestions import did_you_mean
from training.errors import TrainingError
from training.plan import Plan
from training.preprocessing.asked import Asked, Kind, Known, encode_of
from training.preprocessing.preparation import Preparation
from training.preprocessing.settling import settle

Holders = Mapping[PrincipalId, DatasetRegistered]
_KINDS: Final = {
    ColumnKind.REAL: Kind.NUMBER,
    ColumnKind.INTEGER: Kind.NUMBER,
    ColumnKind.BOOLEAN: Kind.BOOLEAN,
    ColumnKind.TEXT: Kind.TEXT,
}
_NUMBERS: Final = frozenset({Kind.NUMBER, Kind.BOOLEAN})


class Use(StrEnum):
    """What becomes of a column."""

    FEATURE = "feature"
    SOURCE = "source"
    """Others are made from it, and it is not learnt from itself."""
    TARGET = "target"
    UNUSED = "unused"


class Described(BaseModel):
    """A column over all edges, and what becomes of it."""

    model_config = ConfigDict(frozen=True)

    name: str
    kinds: tuple[ColumnKind, ...]
    """What it holds; more than one where edges differ."""
    use: Use
    missing: float
    """Share of its cells that are missing, in training and test rows of all edges that have it."""
    words: int | None
    """How many words the owners tell of, if all of them do; ``None`` for what holds no words."""
    modifiable: bool
    """Whether features may be made from it: it holds numbers, and all owners permit it."""
    absent: tuple[PrincipalId, ...]
    """Edges that do not have it."""


def asked_of(plan: Plan, holders: Holders, target: str) -> Asked:
    """What the plan asks for; where it leaves the columns out, those that every edge has and that can be learnt from.

    Raises:
        Invalid: It excludes a column that nobody has.
    """
    wanted = plan.data
    shared = [name for name in _shared(holders) if name != target]
    unknown = [name for name in wanted.exclude if not any(name in _named(body) for body in holders.values())]
    if unknown:
        raise Invalid(
            "; ".join(f"data.exclude names {n!r}, which is no column; {did_you_mean(n, shared)}" for n in unknown),
            code="plan.features",
        )
    usual = wanted.features or [name for name in shared if _learnt_from(name, holders, plan)]
    features = tuple(name for name in usual if name not in wanted.exclude)
    return Asked(plan.preprocessing, wanted.derive, features)


def mismatches(asked: Asked, holders: Holders) -> Iterator[str]:
    """Where the edges' columns are not what the plan needs, with the edge. What owners forbid is in ``forbidden``."""
    for edge, body in sorted(holders.items()):
        columns = _named(body)
        for name in asked.columns:
            if name not in columns:
                yield f"{edge} has no column {name!r}; {did_you_mean(name, columns)}"
            else:
                yield from _unfit(edge, columns[name], asked)


def forbidden(asked: Asked, holders: Holders) -> Iterator[str]:
    """Which edges do not permit that features are made from their columns, if the plan makes any."""
    for edge, body in sorted(holders.items()):
        if asked.derived and not body.features_modifiable:
            yield f"{edge} does not permit features that are made from its columns: leave data.derive out"


def prepared(asked: Asked, holders: Holders) -> Preparation:
    """What is done to the columns; there are no ``mismatches``.

    Raises:
        Invalid: The plan asks for something that cannot be done.
    """
    try:
        return settle(asked, {name: _known(name, holders.values()) for name in asked.columns})
    except TrainingError as error:
        raise Invalid(error.message, code=error.code) from error


def described(asked: Asked, target: str, holders: Holders) -> tuple[Described, ...]:
    """All columns of all edges, in the order of the first edge."""
    names = dict.fromkeys(column.name for _, body in sorted(holders.items()) for column in body.columns)
    return tuple(_described(name, asked, target, holders) for name in names)


def _described(name: str, asked: Asked, target: str, holders: Holders) -> Described:
    having = {edge: body for edge, body in holders.items() if name in _named(body)}
    columns = [_named(body)[name] for body in having.values()]
    cells = sum(split.rows for body in having.values() for split in body.splits.values())
    known = _known(name, having.values())
    told = all(column.words is not None for column in columns)
    return Described(
        name=name,
        kinds=tuple(sorted({column.kind for column in columns})),
        use=_use(name, asked, target),
        missing=sum(column.nulls for column in columns) / cells if cells else 0.0,
        words=len(known.words or ()) if told else None,
        modifiable=known.kind in _NUMBERS and all(body.features_modifiable for body in having.values()),
        absent=tuple(sorted(holders.keys() - having.keys())),
    )


def _use(name: str, asked: Asked, target: str) -> Use:
    if name == target:
        return Use.TARGET
    if name in asked.features:
        return Use.FEATURE
    return Use.SOURCE if name in asked.columns else Use.UNUSED


def _unfit(edge: PrincipalId, column: Column, asked: Asked) -> Iterator[str]:
    kind = _kind(column)
    if encode_of(column.name, kind, asked.preprocessing) is None:
        if kind not in _NUMBERS:
            hint = "; text can be learnt from with preprocessing.encode" if kind is Kind.TEXT else ""
            yield f"{edge} holds {column.kind} in column {column.name!r}, features must be numbers{hint}"
    elif kind is Kind.TEXT and column.words is None:
        yield (
            f"{edge} does not tell which words are in column {column.name!r}, since its owner did not say so at ingest "
            "(consent.words) or there are too many: leave it out, or ask the owner"
        )


def _known(name: str, bodies: Iterable[DatasetRegistered]) -> Known:
    """A column over all edges."""
    columns = [_named(body)[name] for body in bodies]
    words: Counter[str] = Counter()
    for column in columns:
        words.update(column.words or {})
    kinds = {_kind(column) for column in columns}
    # True and false are numbers wherever another edge has numbers.
    kind = kinds.pop() if len(kinds) == 1 else Kind.NUMBER if kinds <= _NUMBERS else Kind.OTHER
    return Known(kind, any(column.nulls for column in columns), dict(words) or None)


def _shared(holders: Holders) -> Sequence[str]:
    """Columns that every edge has, in the order of the first edge."""
    first, *others = [body for _, body in sorted(holders.items())]
    return [c.name for c in first.columns if all(c.name in _named(body) for body in others)]


def _learnt_from(name: str, holders: Holders, plan: Plan) -> bool:
    """Whether a column is learnt from if the plan names none."""
    columns = [_named(body)[name] for body in holders.values()]
    if all(_kind(column) in _NUMBERS for column in columns):
        return True
    encoded = all(encode_of(name, _kind(column), plan.preprocessing) is not None for column in columns)
    return encoded and all(column.words is not None for column in columns)


def _named(body: DatasetRegistered) -> dict[str, Column]:
    return {column.name: column for column in body.columns}


def _kind(column: Column) -> Kind:
    return _KINDS.get(column.kind, Kind.OTHER)
