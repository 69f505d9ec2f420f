"""The eight checks of a model file, on made-up rows, one after the other; see ``training.contract.report``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np

from training.categories import tabular
from training.categories.tabular import Table, Trained
from training.contract import averaging, fits
from training.contract.report import EIGHT, MAX_PARAMETERS, MEANINGS, Check, Report, State, Step
from training.errors import Phase, TrainingError, during, model_error
from training.guidance import Run
from training.registry import GuidedModel, LossModel
from training.scores import ClassPrediction
from training.weights import Weights, check_weights, write_weights
from training.worker.candidate import Candidate
from training.worker.config import WEIGHTS
from training.worker.output import Output, in_our_words

_ROWS: Final = 24
_EPOCHS: Final = 3
_BATCHES: Final = (1, 2, _ROWS)
"""Rows that a loss of the vendor's own is tried on."""
_LARGEST: Final = 2**40
_SHOWN: Final = 1000


class _NotTried(Exception):
    """A check has nothing to look at; says why."""


class Validation:
    """Checks one model.

    Args:
        candidate: The model.
        output: Told of every check that is over.
    """

    def __init__(self, candidate: Candidate, output: Output) -> None:
        self._candidate = candidate
        self._output = output
        self._task = candidate.config.tabular

    def run(self) -> None:
        """Check everything, or up to the first check that fails.

        Raises:
            TrainingError: Of that check.
        """
        checks: Mapping[Check, Callable[[], str]] = {
            Check.LOADS: self._loads,
            Check.FRAMEWORK: self._framework,
            Check.OUTPUTS: self._outputs,
            Check.INPUTS: self._inputs,
            Check.MODEL_TYPE: self._model_type,
            Check.PARAMETERS: self._parameters,
            Check.LOSS: self._loss,
            Check.AVERAGES: self._averages,
            Check.ADAPTERS: self._adapters,
        }
        report = Report()
        for check, tried in checks.items():
            report = self._after(report, check, tried)
        self._output.metrics(_ROWS, ())

    def _after(self, report: Report, check: Check, tried: Callable[[], str]) -> Report:
        began, failed, code = time.monotonic(), None, None
        try:
            state, found = State.PASSED, tried()
        except _NotTried as reason:
            state, found = State.SKIPPED, str(reason)
        except Exception as error:  # noqa: BLE001 - the vendor's code may raise anything, and the report must say it
            failed, said = error, in_our_words(error)
            state, found, code = State.FAILED, said.message, said.code
        step = Step(
            check=check,
            state=state,
            seconds=round(time.monotonic() - began, 3),
            found=found[:_SHOWN],
            expected=MEANINGS[check] + self._width.get(check, ""),
            code=code,
        )
        report = report.ended(step) if failed else Report(steps=(*report.steps, step))
        self._output.validation(report)
        self._output.progress(min(len(report.steps), len(EIGHT)), len(EIGHT))
        if failed is not None:
            raise failed
        return report

    @property
    def _width(self) -> dict[Check, str]:
        """What two of the checks expect, in numbers."""
        problem = self._task.problem
        return {Check.OUTPUTS: f": here {problem.outputs}", Check.INPUTS: f": here {problem.features}"}

    def _loads(self) -> str:
        with during(Phase.IMPORT):
            return f"{self._candidate.file.header.entry} makes a {type(self._candidate.made).__name__}"

    def _framework(self) -> str:
        with during(Phase.IMPORT):
            try:
                model = self._candidate.model
            except TrainingError as error:
                if error.code == "model.estimator" and (other := self._other_framework()):
                    error.message += f"; it looks like one of {other}: is framework = {other!r} meant?"
                raise
        if self._count <= MAX_PARAMETERS:
            _ = self._fresh
        return f"{model.name} of {self._candidate.file.header.framework}"

    def _other_framework(self) -> str | None:
        """Whose model this is, if it is another framework's."""
        modules = {kind.__module__.partition(".")[0] for kind in type(self._candidate.made).__mro__}
        known = self._candidate.registry.frameworks.values()
        own = self._candidate.file.header.framework
        return next((each.name for each in known if each.name != own and each.needs in modules), None)

    def _outputs(self) -> str:
        header, classes = self._candidate.file.header, self._task.problem.classes
        _require_none(fits.misfits(fits.outputs(header, classes)))
        if isinstance(self._probe, TrainingError):
            if self._probe.code == "model.output":
                raise self._probe
            raise _NotTried("it gives nothing for rows of this width, see inputs")
        return f"{self._task.problem.outputs} for each of {_ROWS} rows"

    def _inputs(self) -> str:
        _require_none(fits.misfits(*fits.inputs(self._candidate.file.header, self._task.problem.features)))
        if isinstance(self._probe, TrainingError):
            raise self._probe
        return f"rows of {self._task.problem.features} columns"

    @cached_property
    def _probe(self) -> TrainingError | None:
        """What the untrained model makes of some rows: nothing, if all is well."""
        if self._count > MAX_PARAMETERS:
            raise _NotTried("it has too many parameters to be tried, see parameters")
        try:
            predicted = tabular.predict(self._table.features, self._fresh, self._candidate.model, self._task)
            _check_prediction(predicted, _ROWS, self._task.problem.classes)
        except Exception as error:  # noqa: BLE001 - the vendor's code may raise anything; a check will say it
            return in_our_words(error)
        return None

    def _model_type(self) -> str:
        header, model = self._candidate.file.header, self._candidate.model
        known: tuple[str, ...] = getattr(model, "model_types", ())
        if not header.model_type:
            raise _NotTried("the file declares none" + (f"; it is {known[0]}" if known else ""))
        if known and header.model_type not in known:
            raise model_error(
                "model.type",
                f"the file declares model_type = {header.model_type!r}, and {model.name} is {' or '.join(known)}",
            )
        return header.model_type

    @cached_property
    def _count(self) -> int:
        """Numbers that are learnt. A framework may know without making them."""
        model = self._candidate.model
        known: int | None = getattr(model, "learnt_numbers", None)
        if known is not None:
            return known
        parameters = model.initial(0)
        learnt = model.learnt if isinstance(model, GuidedModel) else parameters.keys()
        return sum(int(np.asarray(parameters[name]).size) for name in learnt)

    def _parameters(self) -> str:
        if self._count > MAX_PARAMETERS:
            raise model_error(
                "model.parameters",
                f"the model learns {self._count:,} parameters; at most {MAX_PARAMETERS:,} are allowed",
            )
        given = ", pretrained weights in their place" if self._candidate.given is not None else ""
        _ = self._first
        return f"{self._count:,}{given}"

    @cached_property
    def _table(self) -> Table:
        """Made-up rows of the right form."""
        random = np.random.Generator(np.random.PCG64(self._candidate.config.seed))
        features = random.standard_normal((_ROWS, len(self._task.features)))
        for place, column in enumerate(self._task.prepared.columns[: len(self._task.features)]):
            if column.words is not None:
                features[:, place] = random.integers(0, len(column.words), _ROWS)
        classes, rows = self._task.problem.classes, np.arange(_ROWS)
        return Table(features, rows % classes if classes is not None else features.sum(axis=1) + rows)

    @cached_property
    def _fresh(self) -> Weights:
        sums = tabular.statistics(self._table, self._task)
        for _ in range(1, self._task.prepared.passes):
            sums = tabular.statistics(self._table, self._task, sums)
        return self._candidate.fresh(sums)

    @cached_property
    def _first(self) -> Weights:
        return self._candidate.begun(self._fresh)

    def _train(self, table: Table, losses: list[float | None]) -> Trained:
        training = self._candidate.config.training
        epochs = min(training.epochs, _EPOCHS)
        short = training.model_copy(update={"epochs": epochs, "validation_split": 0.0})
        run = Run(short, 0, 1, lambda _, __, loss: losses.append(loss), self._candidate.config.strategy)
        return tabular.train(table, self._first, self._candidate.model, self._task, run)

    def _own_loss(self) -> str:
        """Try the vendor's own loss, if there is one; returns what is said of it."""
        model, own = self._candidate.model, self._candidate.config.training.own_loss
        if own is None or not isinstance(model, LossModel):
            return ""
        for rows in _BATCHES:
            model.try_loss(rows)
        return f"{own.name} gives a finite number for {', '.join(map(str, _BATCHES))} rows; "

    def _loss(self) -> str:
        own = self._own_loss()
        losses: list[float | None] = []
        trained = self._train(self._table, losses)
        path = self._output.directory / WEIGHTS
        write_weights(path, trained.weights)
        check_weights(path, reference=None, max_bytes=_LARGEST)
        path.unlink()
        known = [loss for loss in losses if loss is not None and math.isfinite(loss)]
        # An estimator without a loss to tell says None throughout; a framework that takes steps has one in every epoch.
        tells = isinstance(self._candidate.model, GuidedModel) or any(loss is not None for loss in losses)
        if tells and len(known) < len(losses):
            raise model_error("model.loss", f"the loss is not finite in epoch {len(known) + 1} on made-up rows")
        if known:
            return f"{own}{known[0]:.4g} in the first epoch, {known[-1]:.4g} in epoch {len(known)}"
        return "all weights are finite after training"

    def _averages(self) -> str:
        halves = [np.arange(_ROWS) < _ROWS // 2, np.arange(_ROWS) >= _ROWS // 2]
        trained = [self._train(self._table.take(np.flatnonzero(half)), []) for half in halves]
        mean = averaging.averaged(self._first, [(each.weights, each.examples) for each in trained])
        predicted = tabular.predict(self._table.features, mean, self._candidate.model, self._task)
        _check_prediction(predicted, _ROWS, self._task.problem.classes)
        return f"two copies, {len(mean.tensors)} tensors"

    def _adapters(self) -> str:
        raise _NotTried("this version trains whole models only; adapters such as LoRA are not there yet")


def _require_none(problems: list[str]) -> None:
    if problems:
        raise model_error("contract.data", "; ".join(problems))


def _check_prediction(predicted: ClassPrediction | np.ndarray[Any, Any], rows: int, classes: int | None) -> None:
    """Check that there is a usable prediction for every row."""
    if isinstance(predicted, ClassPrediction):
        numbers = [each for each in (predicted.probabilities, predicted.decisions) if each is not None]
        shape, whole = predicted.codes.shape, bool(((predicted.codes >= 0) & (predicted.codes < (classes or 0))).all())
    else:
        numbers, shape, whole = [predicted], predicted.shape, True
    if shape != (rows,) or not whole:
        raise model_error("model.output", f"the model predicts an array of shape {list(shape)} for {rows} rows")
    if not all(np.isfinite(each).all() for each in numbers):
        raise model_error("model.output", "the model predicts numbers that are not finite")
