"""A model held to a dataset: does it fit, parameter by parameter, and what is there to learn from?

One mechanism for ``muster link``, which shows all of it, and for the submission of a plan, which needs it to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bus.errors import Invalid, NotFound
from bus.events.base import DatasetId, PrincipalId
from bus.events.datasets import Split
from bus.events.experiments import TaskData
from muster.submission import classes, columns, enough, requirements, rows, taking
from muster.submission.columns import Described, Holders, Use
from muster.submission.requirement import MISMATCH, Requirement
from muster.submission.requirements import Enrolled
from muster.submission.rows import LeastSplit, Rows
from training.contract.header import Header
from training.dataset import SPLITS
from training.plan import Data, Plan
from training.preprocessing.asked import Asked
from training.preprocessing.choices import Derived, examples
from training.preprocessing.preparation import Preparation
from training.suggestions import known_or_nearest

Datasets = Mapping[DatasetId, Holders] | Mapping[str, Holders]
"""Dataset -> what each edge registered, as ``Client.datasets`` gives it."""


class Link(BaseModel):
    """What came of it.

    Where it does not fit, ``data`` is ``None``, and the requirements that do not hold say why.
    """

    model_config = ConfigDict(frozen=True)

    fits: bool
    dataset: DatasetId
    target: str
    requirements: tuple[Requirement, ...]
    edges: dict[PrincipalId, dict[str, Split]]
    """Edge -> ``train`` and ``test`` -> rows, and rows per class."""
    total: dict[str, Split]
    """The same over all edges."""
    columns: tuple[Described, ...]
    derivable: tuple[Derived, ...]
    """An example of each way to make features from the columns, as ``data.derive`` takes it; none if an owner does not
    permit it."""
    least_validation_split: LeastSplit
    data: TaskData | None
    """What edges are told of it."""

    @property
    def problems(self) -> tuple[Requirement, ...]:
        """The requirements that do not hold."""
        return tuple(each for each in self.requirements if each.ok is False)

    def required(self) -> TaskData:
        """What edges are told.

        Raises:
            Invalid: It does not fit; every problem is named, with the edge where it is.
        """
        mismatches = [problem for each in self.problems if each.code == MISMATCH for problem in each.problems]
        if mismatches:
            raise Invalid(
                f"the data does not fit the plan: {'; '.join(mismatches)} ('muster datasets --json' shows all columns)",
                code="dataset.mismatch",
            )
        for each in self.problems:
            raise Invalid("; ".join(each.problems), code=each.code)
        assert self.data is not None
        return self.data


def plan_for(model: Path, dataset: str, target: str | None = None) -> Plan:
    """A plan that says nothing but what is learnt from what, to link with.

    Args:
        model: The model file.
        dataset: Name of the dataset.
        target: The column to be learned; the one that the owners registered if left out.
    """
    return Plan(name=model.name[:120], model=model, data=Data(dataset=dataset, target=target), cycles=1)


def link(header: Header, plan: Plan, datasets: Datasets, enrolled: Enrolled | None = None) -> Link:
    """Hold a model to the dataset that a plan names.

    Args:
        header: Of the model file.
        plan: What of the data is learnt from, and how.
        datasets: What the edges registered.
        enrolled: What the edges can do; ``None``: that is left open.

    Raises:
        NotFound: Nobody registered the dataset.
        Invalid: The plan asks for something that cannot be done with any data of this form.
    """
    holders = holders_of(plan.data.dataset, datasets)
    target = plan.data.target or min(body.target for body in holders.values())
    asked = columns.asked_of(plan, holders, target)
    of_columns = (
        requirements.category(header, holders),
        requirements.target(plan, holders, target),
        requirements.features(plan, asked, holders, target),
        requirements.consent(asked, holders),
    )
    prepared = columns.prepared(asked, holders) if all(each.ok for each in of_columns) else None
    labels = classes.labels(holders) if header.classifies else None
    taken, lacking = taking.taken(plan.data.rows, holders)
    least = rows.least_split(taken)
    found = (
        requirements.framework(header, holders, enrolled, plan.quorum),
        *of_columns,
        *requirements.inputs(header, None if prepared is None else len(prepared.names)),
        *(() if labels is None else requirements.classes(header, target, labels)),
        enough.taken(plan, taken, rows.registered(holders), lacking),
        enough.validation(plan, least),
        *classes.required(plan, holders, taken),
    )
    described = columns.described(asked, target, holders)
    fitting = prepared if all(each.ok is not False for each in found) else None
    return Link(
        fits=fitting is not None,
        dataset=DatasetId(plan.data.dataset),
        target=target,
        requirements=found,
        edges={edge: dict(body.splits) for edge, body in sorted(holders.items())},
        total={
            name: rows.total(body.splits[name] for body in holders.values() if name in body.splits) for name in SPLITS
        },
        columns=described,
        derivable=examples([each.name for each in described if each.modifiable and each.use is Use.FEATURE]),
        least_validation_split=least,
        data=None if fitting is None else _told(header.category, plan, asked, target, labels, fitting, taken),
    )


def holders_of(name: str, datasets: Datasets) -> Holders:
    """What each edge registered under a name.

    Raises:
        NotFound: Nobody did; the nearest name is told.
    """
    holders = {str(each): held for each, held in datasets.items()}.get(name)
    if not holders:
        raise NotFound(
            f"no edge holds a dataset {name!r}; {known_or_nearest(name, map(str, datasets))}", code="dataset.missing"
        )
    return holders


def _told(
    category: str,
    plan: Plan,
    asked: Asked,
    target: str,
    labels: tuple[str, ...] | None,
    prepared: Preparation,
    taken: Rows,
) -> TaskData:
    preparation, derived = prepared.said
    return TaskData(
        category=category,
        dataset=DatasetId(plan.data.dataset),
        features=asked.columns,
        target=target,
        classes=labels,
        preparation=preparation,
        derived=derived,
        passes=prepared.passes,
        taken={} if plan.data.rows is None else dict(taken),
    )
