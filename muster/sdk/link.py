"""A model and the data that it fits, and the way from there to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bus.events.base import PrincipalId
from bus.events.datasets import DatasetRegistered
from muster import submit
from muster.sdk.listing import html_table, text_table
from muster.sdk.model import Model
from muster.sdk.plan import Plan

_DRAFT_CYCLES = 1


@dataclass(frozen=True)
class Link:
    """A model that fits a dataset at every edge that holds it.

    Attributes:
        model: The model.
        dataset: The dataset's name.
        target: Column to be learned.
        features: Columns to learn from.
        classes: All classes of all edges; ``None`` where the target is not a class.
        edges: Edge -> ``train`` and ``test`` -> rows.
    """

    model: Model
    dataset: str
    target: str
    features: tuple[str, ...]
    classes: tuple[str, ...] | None
    edges: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(
        cls,
        model: Model,
        dataset: str,
        target: str | None,
        datasets: Mapping[Any, Mapping[PrincipalId, DatasetRegistered]],
    ) -> Self:
        """Hold a model to a dataset.

        Raises:
            NotFound: Nobody registered it.
            Invalid: It does not fit.
        """
        plan = _plan(model, dataset, target, {"name": model.path.stem, "cycles": _DRAFT_CYCLES})
        data, holders = submit.resolve(submit.with_model(plan, model.subject), datasets)
        edges: dict[str, Mapping[str, int]] = {
            str(edge): {name: split.rows for name, split in body.splits.items()}
            for edge, body in sorted(holders.items())
        }
        return cls(model, dataset, data.target, data.features, data.classes, edges)

    def plan(self, name: str, *, cycles: int, **fields: Any) -> Plan:  # noqa: ANN401 - values of fields
        """A plan that trains this model on this data.

        Args:
            name: For humans.
            cycles: Rounds of training.
            **fields: Other fields of the plan, e.g. ``training={"epochs": 3}``, ``strategy={"name": "fedadam"}``.

        Raises:
            PlanRefused: A field is unknown or a value impossible; every one is named.
        """
        return _plan(self.model, self.dataset, self.target, {"name": name, "cycles": cycles, **fields})

    def _rows(self) -> list[list[str]]:
        return [
            [edge, *(str(rows.get(split, 0)) for split in ("train", "test"))]
            for edge, rows in sorted(self.edges.items())
        ]

    def _title(self) -> str:
        goal = f"{len(self.classes)} classes" if self.classes is not None else "a number"
        fits = f"{self.model.path.name} fits {self.dataset!r}"
        return f"{fits}: {len(self.features)} columns to learn {self.target!r}, {goal}"

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(_HEADINGS, self._rows())}"

    def _repr_html_(self) -> str:
        return f"<p>{self._title()}</p>{html_table(_HEADINGS, self._rows())}"


_HEADINGS = ("edge", "training rows", "test rows")


def _plan(model: Model, dataset: str, target: str | None, fields: Mapping[str, Any]) -> Plan:
    data = {"dataset": dataset, "target": target, **dict(fields.get("data") or {})}
    weights = {} if model.weights is None else {"weights": model.weights}
    return Plan.model_validate({"model": model.path, **weights, **fields, "data": data})
