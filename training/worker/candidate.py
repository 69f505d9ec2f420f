"""The vendor's model as a worker handles it: read, run, in the hands of its framework."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from training.categories import tabular
from training.contract import loading, pretrained
from training.contract.archive import WEIGHTS as WEIGHTS_SUFFIX
from training.contract.header import check_header
from training.contract.loss_file import check_loss
from training.contract.model import ModelFile, read_model
from training.errors import model_error
from training.freezing import freeze
from training.losses import LossFile
from training.registry import LossModel, Plugin, Registry, TabularModel
from training.seeds import derive, fix
from training.weights import Weights
from training.worker.config import Config

_CODE: Final = "code"
"""Folder in the output directory where an archive's files lie while they run: it goes with the job."""


@dataclass
class Candidate:
    """A model, as far as it was asked for.

    Attributes:
        config: What the worker was told.
        registry: What is installed.
        folder: Output directory.
    """

    config: Config
    registry: Registry
    folder: Path

    @cached_property
    def file(self) -> ModelFile:
        """What was submitted; nothing of it has run.

        Raises:
            TrainingError: It is wrong, or not what the experiment says.
        """
        config = self.config
        file = read_model(config.model.read_bytes())
        check_header(
            file.header,
            frameworks=self.registry.frameworks,
            categories=self.registry.categories,
            name="the model file",
        )
        for what, said, wanted in (
            ("framework", file.header.framework, config.framework),
            ("category", file.header.category, config.category),
        ):
            if said != wanted:
                raise model_error(
                    "model.contract", f"the model file declares the {what} {said!r}, the experiment {wanted!r}"
                )
        return file

    @cached_property
    def _plugin(self) -> Plugin:
        return self.registry.framework(self.file.header.framework, self.file.header.category).load()

    @cached_property
    def made(self) -> object:
        """What the file makes.

        Raises:
            TrainingError: It cannot be imported, or what it names fails.
        """
        header, problem = self.file.header, self.config.tabular.problem
        seed = derive(self.config.seed, "made")
        fix(seed)
        self._plugin.begin(seed)
        entry = loading.load_model(self._main, header)
        return loading.make(entry, {"features": problem.features, "outputs": problem.outputs})

    @cached_property
    def model(self) -> TabularModel:
        """What the file makes, in the hands of its framework.

        Raises:
            TrainingError: The framework cannot train it, or not freeze what the plan wants frozen, or not by the loss
                that the plan brings.
        """
        made = self.made
        model = self._plugin.tabular(made, self.config.tabular.problem)
        freeze(model, self.config.training.freeze or ())
        if self.config.training.own_loss is not None:
            self._teach(model, self.config.training.own_loss)
        return model

    def _teach(self, model: TabularModel, loss: LossFile) -> None:
        """Have a model make the loss of a file small."""
        if not isinstance(model, LossModel):
            raise model_error(
                "plan.training", f"{model.name} takes no loss from a file: leave training.loss out of the plan"
            )
        source = self.file.sources.get(loss.name) if self.file.zipped else None
        if source is None:
            raise model_error("loss.file", f"the loss file {loss.name} is not among the model's files")
        check_loss(source, f"the loss file {loss.name}")
        model.use_loss(loading.load_loss(self._main.with_name(loss.name)))

    @cached_property
    def given(self) -> dict[str, NDArray[Any]] | None:
        """The vendor's weights, under the names that the file has for them.

        Raises:
            TrainingError: They cannot be read.
        """
        if self.config.pretrained is not None:
            return pretrained.read_pretrained(self.config.pretrained)
        if self.file.weights is None:
            return None
        path = self.folder / f"given{WEIGHTS_SUFFIX}"
        path.write_bytes(self.file.weights)
        try:
            return pretrained.read_pretrained(path)
        finally:
            path.unlink()

    def fresh(self, sums: Weights) -> Weights:
        """The first global model as the file makes it, from the summed statistics."""
        config = self.config
        reduction = self.registry.framework(config.framework, config.category).reduction
        about = {"framework": config.framework, "category": config.category}
        seed = derive(config.seed, "model")
        return tabular.initialise(sums, self.model, config.tabular, reduction, about, seed, config.strategy)

    def begun(self, made: Weights) -> Weights:
        """The first global model with the vendor's weights in it, if there are any.

        Raises:
            TrainingError: They are not of the model's form.
        """
        if self.given is None:
            return made
        reductions = {name.removeprefix("model."): each for name, each in made.reductions.items()}
        return made.replaced("model", pretrained.fitted(self.given, made.part("model"), reductions))

    @cached_property
    def _main(self) -> Path:
        """Where the main file lies, with the others beside it."""
        if not self.file.zipped:
            return self.config.model
        path = self.file.place(self.folder / _CODE)
        loading.beside(path.parent, {name: each for name, each in self.file.sources.items() if name != self.file.main})
        return path
