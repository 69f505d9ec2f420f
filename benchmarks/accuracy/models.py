"""The models of ``examples/models``, each with the plan that suits it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from training.contract.header import Header, read_header
from training.plan import Training

FOLDER: Final = Path(__file__).parents[2] / "examples" / "models"
INDEX: Final = FOLDER / "models.yaml"


@dataclass(frozen=True)
class Model:
    """One file, and what the index says of it.

    Attributes:
        name: Path within the folder.
        use: What it is good for.
        cycles: Of a plan that suits it.
        training: Of that plan.
        strategies: That go with it, the first one to take first.
    """

    name: str
    use: str
    cycles: int
    training: Training
    strategies: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Of the file."""
        return FOLDER / self.name

    @property
    def header(self) -> Header:
        """What the file says of itself."""
        return read_header(self.path.read_bytes())

    @property
    def classifies(self) -> bool:
        """Whether it tells classes apart."""
        return self.header.classifies


@cache
def models() -> tuple[Model, ...]:
    """All of the index, in its order."""
    return tuple(
        Model(name, said["use"], said["cycles"], Training(**said["training"]), tuple(said["strategies"]))
        for name, said in yaml.safe_load(INDEX.read_text()).items()
    )


def model(name: str) -> Model:
    """The one of that name."""
    return next(each for each in models() if each.name == name)
