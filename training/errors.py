"""What can go wrong in a training: the content of a worker's ``error.json``."""

from __future__ import annotations

from enum import StrEnum


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


class TrainingError(Exception):
    """A training cannot go on.

    Args:
        category: Whose problem it is.
        code: Stable identifier of the condition, e.g. ``model.contract``.
        message: What was wrong, what was expected, what to do. Never a row's value or a path of the site.
    """

    def __init__(self, category: Category, code: str, message: str) -> None:
        super().__init__(message)
        self.category = category
        self.code = code
        self.message = message


def data_error(code: str, message: str) -> TrainingError:
    """The dataset does not fit."""
    return TrainingError(Category.DATA, code, message)


def model_error(code: str, message: str) -> TrainingError:
    """The vendor's file or plan is wrong."""
    return TrainingError(Category.MODEL, code, message)


def egress_error(code: str, message: str) -> TrainingError:
    """The worker's output may not leave."""
    return TrainingError(Category.EGRESS, code, message)
