"""What can go wrong in a training: the content of a worker's ``error.json``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final


class Category(StrEnum):
    """Whose problem a failure is."""

    DATA = "data"
    """The dataset does not fit the task."""
    RESOURCE = "resource"
    """A limit on memory, time, processes or disk was reached."""
    EGRESS = "egress"
    """What the worker wrote may not leave the site."""
    MODEL = "model"
    """The vendor's model file or plan is wrong, or its code failed."""
    INFRA = "infra"
    """The machine or the installation; trying again may help."""


class Phase(StrEnum):
    """How far a job had come when it failed."""

    ACCEPT = "accept"
    """The edge took the command; nothing was begun."""
    FETCH = "fetch"
    """Model file and weights come from the bus."""
    EXPORT = "export"
    """Rows go from the store into the job's directory."""
    START = "start"
    """The worker starts and reads its configuration."""
    IMPORT = "import"
    """The worker loads the model file and makes the model."""
    STATISTICS = "statistics"
    INITIALISE = "initialise"
    TRAIN = "train"
    EVALUATE = "evaluate"
    CHECK = "check"
    """The daemon looks at what the worker wrote."""


class TrainingError(Exception):
    """A training cannot go on.

    Args:
        category: Whose problem it is.
        code: Stable identifier of the condition, e.g. ``model.contract``.
        message: What was wrong, what was expected, what to do. Never a row's value or a path of the site.
        phase: When it happened; ``None``: not known yet, see ``during``.
        trace: Where in the code, as ``training.worker.trace`` lets it pass.
    """

    def __init__(
        self, category: Category, code: str, message: str, *, phase: Phase | None = None, trace: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.category = category
        self.code = code
        self.message = message
        self.phase = phase
        self.trace = trace


@contextmanager
def during(phase: Phase) -> Iterator[None]:
    """Notes in training errors that pass through when they happened, unless they know it."""
    try:
        yield
    except TrainingError as error:
        error.phase = error.phase or phase
        raise


def described(error: BaseException) -> str:
    """One line about an exception of the vendor's code: its type and the first 300 characters of what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def data_error(code: str, message: str) -> TrainingError:
    """The dataset does not fit."""
    return TrainingError(Category.DATA, code, message)


def model_error(code: str, message: str) -> TrainingError:
    """The vendor's file or plan is wrong."""
    return TrainingError(Category.MODEL, code, message)


def egress_error(code: str, message: str) -> TrainingError:
    """The worker's output may not leave."""
    return TrainingError(Category.EGRESS, code, message)


def state_error(problem: str) -> TrainingError:
    """What the edge kept of an earlier cycle cannot be gone on from."""
    return TrainingError(Category.INFRA, "worker.state", f"what the edge kept for this experiment {problem}")


SAYABLE: Final = frozenset(
    {
        *("data.class", "data.column", "data.empty", "data.format", "data.kind", "data.missing"),
        "data.range",
        *("archive.bomb", "archive.duplicate", "archive.encrypted", "archive.folder", "archive.format", "archive.link"),
        *("archive.main", "archive.name", "archive.path", "archive.size"),
        *("contract.arguments", "contract.computed", "contract.data", "contract.entry", "contract.later"),
        *("contract.missing", "contract.misspelt", "contract.twice", "contract.unused", "contract.value"),
        *("framework.load", "framework.missing", "loss.file"),
        *("model.average", "model.averaged", "model.category", "model.closed_form", "model.contract"),
        *("model.estimator", "model.exit", "model.failed", "model.import", "model.loss", "model.make", "model.output"),
        *("model.parameters", "model.size", "model.solver", "model.syntax", "model.training", "model.trees"),
        *("model.type", "plan.features", "plan.training"),
        *("pretrained.finite", "pretrained.format", "pretrained.mismatch", "pretrained.missing"),
        *("resource.memory", "resource.system"),
        *("weights.empty", "weights.finite", "weights.format", "weights.members", "weights.missing", "weights.shape"),
        "weights.size",
        "strategy.framework",
        *("worker.config", "worker.state", "worker.weights"),
    }
)
"""Codes that a worker may give as its reason."""
