"""The classes of all edges, and what each of them counts in training: a plan against what the edges registered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bus.errors import Invalid
from muster.submission.columns import Holders
from muster.submission.requirement import Requirement, listed, said
from muster.submission.rows import Rows, registered
from training import weighting
from training.errors import TrainingError
from training.plan import Plan, Training


def labels(holders: Holders) -> tuple[str, ...]:
    """All labels of all edges, in training or test rows, sorted."""
    return tuple(
        sorted({label for body in holders.values() for split in body.splits.values() for label in split.classes or ()})
    )


def weighted(training: Training, holders: Holders, taken: Rows) -> Training:
    """What a plan says about training with the weights of classes as numbers: what travels, the same for every edge.

    Args:
        training: What the plan says.
        holders: What the edges registered.
        taken: The training rows that edges take; of those that are not here all.

    Raises:
        Invalid: It names a label that no edge has.
    """
    if training.class_weights is None:
        return training
    counts = Counter(dict.fromkeys(labels(holders), 0))
    for split in {**registered(holders), **taken}.values():
        counts.update(split.classes or {})
    try:
        return _with(training, weighting.settled(training.class_weights, counts))
    except TrainingError as error:
        raise Invalid(error.message, code=error.code) from error


def required(plan: Plan, holders: Holders, taken: Rows) -> tuple[Requirement, ...]:
    """That there are the classes to which the plan gives weights; nothing if it gives none."""
    asked = plan.training.class_weights
    if asked is None:
        return ()
    known = labels(holders)
    problems = []
    try:
        weighted(plan.training, holders, taken)
    except Invalid as error:
        problems.append(error.message)
    return (
        Requirement.held(
            "class_weights",
            asked if isinstance(asked, str) else said(asked),
            listed(known) if known else "a number is learnt",
            problems,
            "name classes that the target has, or leave training.class_weights out",
            code="plan.training",
        ),
    )


def stood_in(training: Training, known: Sequence[str] | None) -> Training:
    """The same for made-up rows, of which each class has as many: ``balanced`` is 1 for each."""
    if training.class_weights != weighting.BALANCED or known is None:
        return training
    return _with(training, dict.fromkeys(known, 1.0))


def _with(training: Training, weights: dict[str, float]) -> Training:
    return training.model_copy(update={"class_weights": weights})
