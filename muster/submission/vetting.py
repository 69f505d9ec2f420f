"""A model, read from disk and checked in a worker on this machine: before it is submitted, or for its own sake."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from bus.errors import Invalid
from muster.errors.catalogue import of_failure
from training.contract import loss_file, pretrained
from training.contract.header import Header, check_header
from training.contract.model import read_model
from training.contract.report import EIGHT, MEANINGS, Check, Report, State, Step
from training.errors import Category, TrainingError
from training.losses import LossFile
from training.plan import Limits, Training
from training.registry import Registry, default_registry
from training.worker import sandbox
from training.worker.config import MODEL, PRETRAINED, VALIDATION, Config, Task
from training.worker.process import Assignment
from training.worker.result import Progress
from training.worker.supervise import Ended, run_worker

_MAX_REPORT_BYTES: Final = 64 * 1024
_FEATURES: Final = 8
_CLASSES: Final = 2
_LIMITS: Final = Limits(wall_s=120)

Tell = Callable[[Step], None]
"""Told of each check as it is over."""


@dataclass(frozen=True)
class Subject:
    """A model as it lies on disk, its header read and found sound; nothing of it has run.

    Attributes:
        path: Of the ``.py`` or ``.zip``.
        code: Its bytes, as they travel: with a loss file among them, if the plan brings one.
        header: What it says about itself.
        weights: File of weights to begin with, if there is one beside it or one was named.
    """

    path: Path
    code: bytes
    header: Header
    weights: Path | None

    @classmethod
    def read(cls, path: Path, weights: Path | None = None, registry: Registry | None = None) -> Subject:
        """Read a model.

        Args:
            path: Of the ``.py`` or ``.zip``.
            weights: File of weights; the one beside it that has its name, if none is named.
            registry: What this installation has.

        Raises:
            Invalid: Something about it is wrong; the message says what was expected.
        """
        registry = registry or default_registry()
        name = f"the model file {path.name}"
        try:
            code = path.read_bytes()
        except OSError as error:
            raise Invalid(
                f"{name} cannot be read ({error.strerror}): expected it at {path}", code="model.missing"
            ) from error
        try:
            file = read_model(code, name)
            check_header(file.header, frameworks=registry.frameworks, categories=registry.categories, name=name)
            registry.framework(file.header.framework, file.header.category)
            chosen = weights or pretrained.beside(path)
            if chosen is not None:
                pretrained.check_file(chosen)
                if file.weights is not None:
                    raise Invalid(
                        f"{name} brings weights, and {chosen.name} lies beside it: leave one of them out",
                        code="pretrained.mismatch",
                    )
        except TrainingError as error:
            raise Invalid(error.message, code=error.code) from error
        return cls(path, code, file.header, chosen)

    def with_loss(self, loss: LossFile, folder: Path) -> Subject:
        """The same with the plan's loss file among its files.

        Args:
            loss: What the plan says.
            folder: Where the plan lies.

        Raises:
            Invalid: The file is not there, or cannot be what it has to be.
        """
        try:
            return replace(self, code=loss_file.packed(self.code, loss, folder))
        except TrainingError as error:
            raise Invalid(error.message, code=error.code) from error


def quiet(step: Step) -> None:
    """Nobody wants to know."""


def made_up(
    header: Header,
    features: int | None = None,
    classes: int | None = None,
    *,
    training: Training | None = None,
    limits: Limits = _LIMITS,
) -> Config:
    """What a model is checked with where no data is known yet.

    Args:
        header: Of the model.
        features: Columns of numbers to learn from; as the header says, or 8.
        classes: Classes to tell apart, if it tells classes apart; as the header says, or 2.
        training: What a plan says, as far as that is known.
        limits: Bounds of the worker.
    """
    count = classes or header.output_classes or _CLASSES
    return Config(
        category=header.category,
        framework=header.framework,
        features=tuple(f"f{place}" for place in range(features or header.num_feature_points or _FEATURES)),
        target="target",
        classes=tuple(f"c{place:04}" for place in range(count)) if header.classifies else None,
        training=training or Training(),
        limits=limits,
    )


async def vet(subject: Subject, config: Config, tell: Tell = quiet) -> tuple[Report, TrainingError | None]:
    """Check a model in a worker on this machine.

    Args:
        subject: The model.
        config: What is learnt from what, and how; where its files are is not its business.
        tell: Told of each check as it is over.

    Returns:
        What came of every check, and the error of the one that failed.
    """
    with tempfile.TemporaryDirectory(prefix="muster-check-") as folder:
        inputs, output = Path(folder) / "inputs", Path(folder) / "output"
        inputs.mkdir()
        output.mkdir()
        await asyncio.to_thread(_lay_out, subject, config, inputs)
        told = 0

        async def look(_: Progress) -> None:
            nonlocal told
            # The last of them is over only when the worker is.
            for step in _over(_read(output))[told : len(EIGHT) - 1]:
                tell(step)
                told += 1

        assignment = Assignment(Task.VALIDATE, inputs, output, Path(folder) / "worker.log", config.limits)
        ended = await run_worker(assignment, sandbox.available(), look)
        report, error = _judged(_read(output), ended)
    for step in report.steps[told:]:
        tell(step)
    return report, error


def refusal(report: Report, error: TrainingError) -> Invalid:
    """The error that says which check failed."""
    failed = report.failure
    assert failed is not None
    place = list(Check).index(failed.check) + 1
    return Invalid(
        f"the model fails check {place} of {len(EIGHT)}, {failed.check}: {error.message}",
        code=error.code,
        check=failed.check.value,
        expected=failed.expected,
        fix=failed.fix,
        phase=error.phase,
        trace="\n".join(error.trace),
    )


def _lay_out(subject: Subject, config: Config, inputs: Path) -> None:
    (inputs / MODEL).write_bytes(subject.code)
    given = {}
    if subject.weights is not None:
        shutil.copyfile(subject.weights, inputs / PRETRAINED)
        given["pretrained"] = Path(PRETRAINED)
    config.model_copy(update=given).write(inputs / "config.yaml")


def _read(output: Path) -> Report:
    """What the worker says so far. The model's code may have written it: it decides nothing but what is shown."""
    path = output / VALIDATION
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_REPORT_BYTES:
            return Report()
        found = Report.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Report()
    in_order = [step.check for step in found.steps] == list(Check)[: len(found.steps)]
    return found if in_order else Report()


def _over(report: Report) -> tuple[Step, ...]:
    """The checks before one that failed, which is told when its whole reason is known."""
    failed = report.failure
    return report.steps if failed is None else report.steps[: report.steps.index(failed)]


def _judged(said: Report, ended: Ended) -> tuple[Report, TrainingError | None]:
    """The whole report: a worker that did not come to its end has failed the check that it was at."""
    error = ended.error
    if error is None and said.passed:
        return said, None
    if error is None:
        error = TrainingError(
            Category.MODEL,
            "validation.ended",
            "the worker ended before all checks were done: the model's code ended the process, or wrote the report "
            "in its place",
        )
    failed = said.failure
    if failed is None:
        over = said.steps[: len(EIGHT) - 1]
        check = list(Check)[len(over)]
        failed = Step(check=check, state=State.FAILED, found=error.message[:1000], expected=MEANINGS[check])
    fix = of_failure(error.category.value, error.code).step
    return said.ended(failed.model_copy(update={"code": error.code, "fix": fix})), error
