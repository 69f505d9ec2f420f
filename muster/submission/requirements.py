"""What a model needs of the data: its framework, the columns, and the shape that its header declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bus.events.base import PrincipalId
from bus.events.principals import EdgeEnrolled
from muster.submission import columns
from muster.submission.columns import Holders
from muster.submission.requirement import Requirement, listed
from training.contract import fits
from training.contract.fits import Declaration
from training.contract.header import Header
from training.plan import Plan
from training.preprocessing.asked import Asked

_ANY: Final = "any"

Enrolled = Mapping[PrincipalId, EdgeEnrolled]
"""Edge -> what it said of itself."""


def category(header: Header, holders: Holders) -> Requirement:
    """The task category that the data is registered for."""
    return Requirement.held(
        "category",
        header.category,
        listed({body.category for body in holders.values()}),
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
        f"at {able} of {len(edges)} edges" + (f", not at {listed(lacking)}" if lacking else ""),
        (f"{edge} cannot train {wanted}: it has {listed(enrolled[edge].frameworks)}" for edge in lacking)
        if able < needed
        else (),
        f"ask their owners to install {wanted}" + (f", or set quorum: {able}" if able else ""),
    )


def target(plan: Plan, holders: Holders, wanted: str) -> Requirement:
    """The column to be learned."""
    return Requirement.held(
        "target",
        plan.data.target or "the registered one",
        listed({body.target for body in holders.values()}),
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
        listed(plan.data.features) if plan.data.features is not None else "all numbers that every edge has",
        f"{len(asked.columns)} columns: {listed(asked.columns)}",
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


def classes(header: Header, wanted: str, known: Sequence[str]) -> tuple[Requirement, ...]:
    """What the header declares of the model's outputs, and that there is something to tell apart."""
    alone = f"the target {wanted!r} has only the classes {tuple(known)}: nothing to learn"
    return (
        _declared(fits.outputs(header, len(known)), "data"),
        Requirement.held(
            "classes",
            "at least 2",
            f"{len(known)}: {listed(known)}",
            [alone] if len(known) < 2 else (),
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
