"""A model and the data that it fits, and the way from there to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bus.errors import Invalid
from bus.events.experiments import TaskData
from muster.sdk.errors import LinkRefused
from muster.sdk.listing import html_of, text_of
from muster.sdk.model import Model
from muster.sdk.plan import Plan
from muster.submission import linking
from muster.submission.linking import Datasets
from muster.submission.requirements import Enrolled
from muster.telling import link_display


@dataclass(frozen=True, repr=False)
class Link:
    """A model that fits a dataset at every edge that holds it.

    Attributes:
        model: The model.
        found: Every parameter with what was expected and found, rows per class at each edge, the columns, and the
            features that can be made of them.
    """

    model: Model
    found: linking.Link

    @classmethod
    def of(cls, model: Model, dataset: str, target: str | None, datasets: Datasets, enrolled: Enrolled) -> Self:
        """Hold a model to a dataset.

        Raises:
            NotFound: Nobody registered it.
            LinkRefused: It does not fit.
        """
        asked = linking.plan_for(model.path, dataset, target)
        found = linking.link(model.header, asked, datasets, enrolled)
        try:
            found.required()
        except Invalid as error:
            shown = text_of(link_display.requirements(found))
            raise LinkRefused(f"{error.message}\n\n{shown}", code=error.code, **error.details) from error
        return cls(model, found)

    @property
    def data(self) -> TaskData:
        """What is learnt from what: ``features``, ``target``, ``classes``."""
        return self.found.required()

    def plan(self, name: str, *, cycles: int, **fields: Any) -> Plan:  # noqa: ANN401 - values of fields
        """A plan that trains this model on this data.

        Args:
            name: For humans.
            cycles: Rounds of training.
            **fields: Other fields of the plan, e.g. ``training={"epochs": 3}``, ``strategy={"name": "fedadam"}``.

        Raises:
            PlanRefused: A field is unknown or a value impossible; every one is named.
        """
        chosen = {"dataset": self.found.dataset, "target": self.found.target}
        data = {**chosen, **dict(fields.pop("data", {}))} if isinstance(fields.get("data", {}), Mapping) else None
        if data is not None:
            fields["data"] = data
        if self.model.weights is not None:
            fields.setdefault("weights", self.model.weights)
        return Plan.model_validate({"name": name, "model": self.model.path, "cycles": cycles, **fields})

    def __repr__(self) -> str:
        return f"{self._title()}\n\n{text_of(*link_display.shown(self.found))}"

    def _repr_html_(self) -> str:
        tables = (link_display.requirements(self.found), link_display.edges(self.found))
        return f"<p>{self._title()}</p>{''.join(map(html_of, tables))}"

    def _title(self) -> str:
        return f"{self.model.path.name} can be trained on {self.found.dataset}"
