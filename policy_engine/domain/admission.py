"""May this experiment run? Every rule speaks for itself; one objection is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from bus.errors import Invalid
from bus.events import encodings, strategies
from bus.events.base import OwnerId
from bus.events.datasets import DatasetRegistered
from bus.events.experiments import ExperimentAdmitted, ExperimentRefused, ExperimentSubmitted
from policy_engine.domain.rules import Rules

Rule = Callable[[Rules, OwnerId, ExperimentSubmitted], Iterator[str]]
"""Yields objections, each a sentence that says what was found and what is permitted."""


def admit(
    rules: Rules, owner: OwnerId, asked: ExperimentSubmitted, *further: str
) -> ExperimentAdmitted | ExperimentRefused:
    """The answer to a submission, with reasons; ``further`` are objections that follow from no rule."""
    objections = (*(objection for rule in RULES for objection in rule(rules, owner, asked)), *further)
    if objections:
        return ExperimentRefused(experiment=asked.experiment, reasons=objections, rules=rules.digest)
    reasons = (
        f"vendor {owner!r} is on the allow-list",
        f"dataset {asked.data.dataset!r} is held by {', '.join(sorted(asked.recipients))}",
        f"strategy {asked.strategy.name!r} is permitted",
    )
    return ExperimentAdmitted(experiment=asked.experiment, reasons=reasons, rules=rules.digest)


def _vendor(rules: Rules, owner: OwnerId, _asked: ExperimentSubmitted) -> Iterator[str]:
    if owner not in rules.allowed:
        allowed = ", ".join(sorted(rules.allowed)) or "nobody"
        yield f"vendor {owner!r} is not on the allow-list ({allowed})"


def _dataset(rules: Rules, _owner: OwnerId, asked: ExperimentSubmitted) -> Iterator[str]:
    holders = rules.datasets.get(asked.data.dataset)
    if holders is None:
        known = ", ".join(sorted(rules.datasets)) or "none"
        yield f"no edge holds a dataset {asked.data.dataset!r}; known: {known}"
        return
    strangers = sorted(set(asked.recipients) - set(holders))
    if strangers:
        yield f"the model is sealed for {', '.join(strangers)}, which hold no dataset {asked.data.dataset!r}"
    if not asked.recipients:
        yield "the model is sealed for no edge"
    for edge in sorted(set(asked.recipients) & set(holders)):
        yield from _columns(holders[edge], asked)
        yield from _rows(holders[edge], asked)


def _columns(held: DatasetRegistered, asked: ExperimentSubmitted) -> Iterator[str]:
    columns = {column.name for column in held.columns}
    missing = sorted({*asked.data.features, asked.data.target} - columns)
    if missing:
        yield f"the dataset of {held.edge!r} has no column {', '.join(map(repr, missing[:5]))}"
    if asked.data.derived and not held.features_modifiable:
        yield f"{held.edge!r} does not permit features that are made from the columns of its dataset"
    if held.category != asked.data.category:
        yield f"the dataset of {held.edge!r} is for {held.category}, the experiment for {asked.data.category}"


def _rows(held: DatasetRegistered, asked: ExperimentSubmitted) -> Iterator[str]:
    """That an edge is asked for rows that it has; class by class, if it has classes."""
    taken, there = asked.data.taken.get(held.edge), held.splits.get("train")
    if taken is None or there is None:
        return
    wanted, registered = taken.classes, there.classes
    if (wanted is None) is not (registered is None) or (wanted is not None and sum(wanted.values()) != taken.rows):
        yield f"the rows to be taken at {held.edge!r} do not add up by its classes"
        return
    if not min(held.least_taken, there.rows) <= taken.rows <= there.rows:
        yield (
            f"{taken.rows} training rows are to be taken at {held.edge!r}, which has {there.rows} and permits no fewer "
            f"than {held.least_taken}"
        )
    for label, rows in sorted((wanted or {}).items()):
        if not 0 <= rows <= (registered or {}).get(label, 0):
            yield (
                f"{rows} training rows of {label!r} are to be taken at {held.edge!r}, which has "
                f"{(registered or {}).get(label, 0)}"
            )


def _quorum(_rules: Rules, _owner: OwnerId, asked: ExperimentSubmitted) -> Iterator[str]:
    if asked.quorum is not None and not 1 <= asked.quorum <= len(asked.recipients):
        yield f"a quorum of {asked.quorum} cannot be met by {len(asked.recipients)} edges"


def _bounds(_rules: Rules, _owner: OwnerId, asked: ExperimentSubmitted) -> Iterator[str]:
    if asked.cycles < 1:
        yield f"{asked.cycles} cycles were asked for: at least 1"
    if not asked.deadline_s > 0:
        yield f"the deadline is {asked.deadline_s} s: it must be above 0"


def _strategy(_rules: Rules, _owner: OwnerId, asked: ExperimentSubmitted) -> Iterator[str]:
    try:
        strategies.check(asked.strategy, asked.framework, asked.quorum or len(asked.recipients), len(asked.recipients))
    except Invalid as error:
        yield error.message


def _encoding(_rules: Rules, _owner: OwnerId, asked: ExperimentSubmitted) -> Iterator[str]:
    try:
        encodings.check(asked.encoding, asked.strategy.name)
    except Invalid as error:
        yield error.message


RULES: Final[tuple[Rule, ...]] = (_vendor, _dataset, _quorum, _bounds, _strategy, _encoding)
"""All admission rules, in the order in which their objections are listed."""
