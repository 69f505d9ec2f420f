"""What a plan says of how many training rows are taken, of those that the edges hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from training.preprocessing.asked import word_of

_SAID: Final = ("share", "total", "classes", "edges")


class _Said(BaseModel):
    """Exactly one of its fields is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("classes", mode="before", check_fields=False)
    @classmethod
    def _labels(cls, value: object) -> object:
        """Class labels as they are registered, however YAML takes them: ``true`` and ``7`` are no text there."""
        return {word_of(key): rows for key, rows in value.items()} if isinstance(value, Mapping) else value

    @field_validator("classes", check_fields=False)
    @classmethod
    def _some(cls, value: Mapping[str, int] | None) -> Mapping[str, int] | None:
        for label, rows in (value or {}).items():
            if rows < 1:
                raise PydanticCustomError(
                    "some",
                    "{rows} rows of {label} are asked for: at least 1; a class cannot be left out",
                    {"rows": rows, "label": label},
                )
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        names = [name for name in _SAID if name in type(self).model_fields]
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            found = "none of them is given" if not given else f"found {', '.join(given)}"
            raise PydanticCustomError(
                "one", "say exactly one of {names}; {found}", {"names": ", ".join(names), "found": found}
            )
        return self


class TakenHere(_Said):
    """How many training rows are taken at one edge. Exactly one of the fields is given."""

    share: float | None = Field(default=None, gt=0, le=1)
    """This share of its rows, class by class, rounded; at least one of each class that it has."""
    total: int | None = Field(default=None, ge=1)
    """So many of its rows; of classes as many as their shares of its rows make."""
    classes: dict[str, int] | None = Field(default=None, min_length=1)
    """Class -> so many of its rows. It takes all rows of a class that is not named."""


class Taken(_Said):
    """How many training rows are taken. Exactly one of the fields is given; if none were, all rows would be."""

    share: float | None = Field(default=None, gt=0, le=1)
    """This share of every edge's rows, class by class, rounded; at least one of each class that an edge has."""
    total: int | None = Field(default=None, ge=1)
    """So many rows of all edges together; of edges and classes as many as their shares of all rows make."""
    classes: dict[str, int] | None = Field(default=None, min_length=1)
    """Class -> so many rows of all edges together; of edges as many as their shares of the class make. All rows of a
    class that is not named are taken."""
    edges: dict[str, TakenHere] | None = Field(default=None, min_length=1)
    """Edge -> how many of its rows. An edge that is not named takes all of its rows."""
