"""What users of the SDK catch: the errors of ``bus.errors``, and names for refusals before anything is sent.

::

    MusterError
      Invalid
        ModelRefused      the model file is wrong, or fails one of the eight checks
        PlanRefused       the plan is wrong, or cannot be run on this data
        LinkRefused       the model does not fit the dataset
      NotFound            no such experiment, dataset, profile, ...
      Unavailable         the federation is away
      Denied              policy refused the experiment; the keys are not accepted
      WorkerFailed        = ExperimentFailed: the experiment failed; ``details`` says where and why

All have ``message``, ``code`` and ``details``; ``muster errors CODE`` explains each code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bus.errors import Invalid, WorkerFailed
from training.errors import TrainingError


class ModelRefused(Invalid):
    """The model cannot be used; nothing was sent."""


class PlanRefused(Invalid):
    """The plan cannot be used; nothing was sent."""


class LinkRefused(Invalid):
    """The model does not fit the dataset."""


ExperimentFailed = WorkerFailed
"""What following an experiment that failed ends with."""


@contextmanager
def refused_as(kind: type[ModelRefused | PlanRefused | LinkRefused]) -> Iterator[None]:
    """Give what is found to be wrong within the block the name under which users catch it.

    Raises:
        Invalid: ``kind``, with the code and the details of the cause.
    """
    try:
        yield
    except Invalid as error:
        if type(error) is not Invalid:
            raise
        raise kind(error.message, code=error.code, **error.details) from error
    except TrainingError as error:
        raise kind(error.message, code=error.code) from error
