"""Counts and sums over rows: what edges send beside their metrics, so that those of all rows together follow.

Nothing here is about one row unless there is only one: see ``docs/decisions/0034-metrics-add-up.md``.
"""

from __future__ import annotations

from bus.events.base import Payload


class Bins(Payload):
    """A histogram without its empty bins."""

    places: tuple[int, ...] = ()
    """Rising; what a place stands for is said where the bins are."""
    counts: tuple[int, ...] = ()
    """As many, each at least 1."""


class Ranking(Payload):
    """How a model ranks the rows of one class among those of the others.

    There are ``training.scoring.bins.bins_for(classes)`` bins, from the least likely to the most.
    """

    positives: Bins
    """Rows of the class."""
    negatives: Bins
    """All others."""


class ClassTally(Payload):
    """What adds up of predicted classes. Classes are in the order of ``data.classes`` of the submission."""

    actual: tuple[int, ...]
    """Rows of each class."""
    predicted: tuple[int, ...]
    """Rows that the model took for each class."""
    hits: tuple[int, ...]
    """Rows of each class that it took for just that."""
    squared_distance: int
    """Sum over the rows of the squared difference between the places of both classes."""
    confusion: tuple[tuple[int, ...], ...] | None = None
    """Row: the true class, column: the predicted one; ``None`` in training cycles and for more than 100 classes."""
    log_loss: float | None = None
    """Sum over the rows; ``None`` without probabilities."""
    brier: float | None = None
    """The same."""
    top_3: int | None = None
    """Rows whose class is among the three that are likeliest; ``None`` for three classes or fewer."""
    top_5: int | None = None
    """The same with five."""
    rankings: tuple[Ranking, ...] | None = None
    """Of each class, or of the second of two; ``None`` in training cycles, and for more than 32 classes."""


class Moments(Payload):
    """First and second moment of numbers about a centre, so that nothing is lost where they are large and close."""

    centre: float
    """Near their mean."""
    total: float
    """Sum of what they differ from it."""
    squares: float
    """Sum of the squares of that."""


class NumberTally(Payload):
    """What adds up of predicted numbers; an error is the prediction less the truth."""

    truth: Moments
    error: Moments
    absolute: float
    """Sum of the errors without their sign."""
    largest: float | None = None
    """The largest of them; ``None`` in training cycles, as is what follows."""
    percentage: float | None = None
    """Sum of the errors as parts of the truth, without sign; ``None`` where a truth is 0."""
    symmetric: float | None = None
    """Sum of twice the error over what truth and prediction come to, each without sign; 0 where both are 0."""
    logarithms: float | None = None
    """Sum of the squared differences of log(1 + x); ``None`` where a number is -1 or less."""
    sizes: Bins | None = None
    """Errors without sign, in bins of a 128th of an octave; see ``training.scoring.bins``. ``None`` if too many."""


class Tally(Payload):
    """What adds up of one set of rows; there is none of no rows."""

    split: str
    stage: str
    count: int
    """Rows."""
    classes: ClassTally | None = None
    numbers: NumberTally | None = None


class Confusion(Payload):
    """Rows of the cohort by true and predicted class, in the order of ``data.classes`` of the submission."""

    split: str
    stage: str
    counts: tuple[tuple[int, ...], ...]
    """Row: the true class, column: the predicted one."""
