"""What a model needs of the data, parameter by parameter: what was expected, what was found, what to change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from bus.events.base import PrincipalId
from bus.events.principals import EdgeEnrolled
from muster import columns
from muster.columns import Holders
from muster.rows import LeastSplit, Rows, total
from training.contract import fits
from training.contract.fits import Declaration
from training.contract.header import Header
from training.plan import Plan
from training.preprocessing.asked import Asked
from training.splitting import MOST

MISMATCH: Final = "dataset.mismatch"
_ANY: Final = "any"
_LISTED: Final = 6
_PLACES: Final = 10_000
"""Shares are shown to four places."""

Enrolled = Mapping[PrincipalId, EdgeEnrolled]
"""Edge -> what it said of itself."""


class Requirement(BaseModel):
    """One parameter. Where it does not hold, every problem is a sentence that names the edge, if it is about one."""

    model_config = ConfigDict(frozen=True)

    parameter: str
    expected: str
    found: str
    ok: bool | None = True
    """``None`` if it cannot be told: nobody was asked, or another parameter has to hold first."""
    problems: tuple[str, ...] = ()
    fix: str = ""
    """What to change; empty unless there are problems."""
    code: str = MISMATCH
    """Of the error that a problem of it is."""

    @classmethod
    def held(
        cls, parameter: str, expected: str, found: str, problems: Iterable[str], fix: str, code: str = MISMATCH
    ) -> Self:
        """One that holds if there are no problems."""
        told = tuple(problems)
        fixed = fix if told else ""
        return cls(
            parameter=parameter, expected=expected, found=found, ok=not told, problems=told, fix=fixed, code=code
        )


def category(header: Header, holders: Holders) -> Requirement:
    """The task category that the data is registered for."""
    return Requirement.held(
        "category",
        header.category,
        _listed({body.category for body in holders.values()}),
        (
            f"{edge} registered it for {body.category}, the model is for {header.category}"
            for edge, body in sorted(holders.items())
            if body.category != header.category
        ),
        f"take a dataset that is registered for {header.category}, or a model for the category of this one",
    )


def framework(header: Header, holders: Holders, enrolled: Enrolled | None, quorum: int | None) -> Requirement:
    """That enough edges can train the model's framework; edges that never said what they can do are hoped for."""
    wanted, edges = header.framework, sorted(holders)
    if enrolled is None:
        return Requirement(parameter="framework", expected=wanted, found="edges were not asked", ok=None)
    lacking = [edge for edge in edges if edge in enrolled and wanted not in enrolled[edge].frameworks]
    able, needed = len(edges) - len(lacking), quorum or len(edges)
    return Requirement.held(
        "framework",
        wanted,
        f"at {able} of {len(edges)} edges" + (f", not at {_listed(lacking)}" if lacking else ""),
        (f"{edge} cannot train {wanted}: it has {_listed(enrolled[edge].frameworks)}" for edge in lacking)
        if able < needed
        else (),
        f"ask their owners to install {wanted}" + (f", or set quorum: {able}" if able else ""),
    )


def target(plan: Plan, holders: Holders, wanted: str) -> Requirement:
    """The column to be learned."""
    return Requirement.held(
        "target",
        plan.data.target or "the registered one",
        _listed({body.target for body in holders.values()}),
        (
            f"{edge} registered the target {body.target!r}, the plan says {wanted!r}"
            for edge, body in sorted(holders.items())
            if body.target != wanted
        ),
        "name the target that all edges registered, or ask the owners to register the same one",
    )


def features(plan: Plan, asked: Asked, holders: Holders, wanted: str) -> Requirement:
    """The columns to learn from, at every edge."""
    problems = [] if asked.features or asked.derived else ["no column is left to learn from"]
    if wanted in asked.columns:
        problems.append(f"the target {wanted!r} is among the features")
    return Requirement.held(
        "features",
        _listed(plan.data.features) if plan.data.features is not None else "all numbers that every edge has",
        f"{len(asked.columns)} columns: {_listed(asked.columns)}",
        [*problems, *columns.mismatches(asked, holders)],
        "choose columns with data.features and data.exclude, or ask the owners that are named to ingest the same",
    )


def consent(asked: Asked, holders: Holders) -> Requirement:
    """That owners permit features that are made from columns."""
    permitted = sum(body.features_modifiable for body in holders.values())
    return Requirement.held(
        "derived features",
        f"{len(asked.derived)} in data.derive" if asked.derived else "none",
        f"permitted by {permitted} of {len(holders)} owners",
        columns.forbidden(asked, holders),
        "leave data.derive out, or ask the owners to permit it (muster ingest --features-modifiable)",
    )


def inputs(header: Header, features: int | None) -> tuple[Requirement, ...]:
    """What the header declares of the model's inputs; ``features`` is ``None`` while it is not known how many."""
    return tuple(
        _declared(each, "columns with data.features and data.exclude") for each in fits.inputs(header, features)
    )


def classes(header: Header, wanted: str, labels: Sequence[str]) -> tuple[Requirement, ...]:
    """What the header declares of the model's outputs, and that there is something to tell apart."""
    alone = f"the target {wanted!r} has only the classes {tuple(labels)}: nothing to learn"
    return (
        _declared(fits.outputs(header, len(labels)), "data"),
        Requirement.held(
            "classes",
            "at least 2",
            f"{len(labels)}: {_listed(labels)}",
            [alone] if len(labels) < 2 else (),
            "choose another target, or ask the owners for rows of at least two classes",
            code="dataset.classes",
        ),
    )


def _declared(declaration: Declaration, other: str) -> Requirement:
    name, found = declaration.variable, declaration.found
    expected = _ANY if declaration.declared is None else str(declaration.declared)
    if found is None:
        known = True if declaration.declared is None else None
        return Requirement(parameter=name, expected=expected, found="depends on the features", ok=known)
    return Requirement.held(
        name,
        expected,
        str(found),
        [declaration.problem] if declaration.problem else (),
        f"write {name} = {found} in the model file and make the model so, or choose other {other}",
    )


def taken(plan: Plan, found: Rows, registered: Rows, problems: Iterable[str]) -> Requirement:
    """That the rows that the plan takes are there, and enough to learn from."""
    asked = plan.data.rows
    there, all_of_them = total(found.values()), total(registered.values())
    by_edge = _listed(f"{edge} {split.rows}" for edge, split in found.items())
    return Requirement.held(
        "rows",
        "all" if asked is None else _said(asked.model_dump(exclude_none=True)),
        f"{there.rows} of {all_of_them.rows}: {by_edge}",
        problems,
        "correct data.rows by the rows that each edge has",
        code="plan.rows",
    )


def validation(plan: Plan, least: LeastSplit) -> Requirement:
    """That the validation split leaves every edge a row of every class to validate with."""
    share = plan.training.validation_split
    # Upwards, so that the number that is shown will do.
    shown = f"{math.ceil(least.share * _PLACES) / _PLACES:g}"
    if not least.share:
        allowed, fix = "0: no edge has two rows of a class", "set it to 0, for no validation"
        problem = f"validation_split is {share:g}, and no edge has two rows of a class"
    else:
        allowed = f"0, or {shown} ({least.edge} has {least.rows} rows) to {MOST:g}"
        fix = f"set it to 0, for no validation, or to at least {shown}"
        problem = (
            f"validation_split is {share:g}: {least.edge} has {least.rows} rows to learn from, and needs {shown} for "
            "a row of every class"
        )
    problems = [problem] if share and (not least.share or share < least.share) else []
    return Requirement.held(
        "validation_split", f"{share:g}", f"possible: {allowed}", problems, fix, code="plan.validation"
    )


def _said(fields: Mapping[str, object]) -> str:
    """A section of a plan in few words."""
    parts = (f"{name} {_said(value) if isinstance(value, dict) else value}" for name, value in fields.items())
    return ", ".join(parts)


def _listed(names: Iterable[str]) -> str:
    """Names for a table; the first few of many."""
    words = sorted(map(str, names)) if isinstance(names, set) else list(map(str, names))
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return (", ".join(words[:_LISTED]) or "none") + more
