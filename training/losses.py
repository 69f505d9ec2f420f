"""What a plan may say is made small: a loss by its name, or the vendor's own in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

LossName = Literal["cross_entropy", "multi_margin", "mse", "mae", "huber", "smooth_l1"]
"""The first two are for classes, the others for numbers."""
NAMED: Final = "<loss>"
"""Tag of a loss that has a name."""
FILED: Final = "<file>"
"""Tag of a loss in a file."""


class LossFile(BaseModel):
    """A loss of the vendor's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """A Python file with a function ``loss(outputs, targets)``, relative to the plan; or one in the model's zip."""

    @property
    def name(self) -> str:
        """What it is called among the model's files, with which it travels."""
        return PurePath(self.file).name


def _kind(value: object) -> str:
    return FILED if isinstance(value, Mapping | LossFile) else NAMED


Loss = Annotated[Annotated[LossName, Tag(NAMED)] | Annotated[LossFile, Tag(FILED)], Discriminator(_kind)]
"""A name, or ``{file: loss.py}``."""
