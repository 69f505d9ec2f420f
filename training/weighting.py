"""What a row of each class counts in training: a plan's words, and numbers that are the same at every edge.

The loss of a step is the mean over its rows of weight times loss, divided by how many rows there are and not by the sum
of their weights. So an edge that holds one class alone feels its weight, and the mean of all edges' losses by example
counts is the loss over all rows in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Discriminator, Field, Tag

from training.errors import TrainingError, model_error
from training.suggestions import known_or_nearest

BALANCED: Final = "balanced"
WORD: Final = "<word>"
"""Tag of weights that are a word."""
TABLE: Final = "<table>"
"""Tag of weights that are given by label."""


def _label(key: object) -> object:
    """A label as datasets have it, however YAML reads it."""
    if isinstance(key, bool):
        return str(key).lower()
    return str(key) if isinstance(key, int) else key


def _kind(value: object) -> str:
    return TABLE if isinstance(value, Mapping) else WORD


_Label = Annotated[str, BeforeValidator(_label)]
_Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ClassWeights = Annotated[
    Annotated[Literal["balanced"], Tag(WORD)] | Annotated[dict[_Label, _Weight], Field(min_length=1), Tag(TABLE)],
    Discriminator(_kind),
]
"""``balanced``, or label -> what each of its rows counts."""


def balanced(counts: Mapping[str, int]) -> dict[str, float]:
    """Weights by which all classes count the same: ``rows / (classes * rows of the class)``.

    Their mean over all rows is 1, so that a learning rate means what it did. Source: King & Zeng, "Logistic Regression
    in Rare Events Data", Political Analysis 9, 2001; scikit-learn's ``class_weight="balanced"``.

    Args:
        counts: Label -> training rows of all edges. One without rows needs no weight, and gets none.
    """
    there = {label: count for label, count in counts.items() if count > 0}
    return {label: sum(there.values()) / (len(there) * count) for label, count in sorted(there.items())}


def settled(wanted: ClassWeights, counts: Mapping[str, int]) -> dict[str, float]:
    """The numbers that a plan asks for.

    Args:
        wanted: What it says.
        counts: Label -> training rows of all edges, for every label that there is.

    Raises:
        TrainingError: It names a label that no edge has.
    """
    if isinstance(wanted, str):
        return balanced(counts)
    for label in wanted:
        if label not in counts:
            raise _unknown(label, counts)
    return dict(wanted)


def require_classes(wanted: ClassWeights | None, *, has_classes: bool) -> None:
    """Check that there are classes, if they have weights.

    Raises:
        TrainingError: The target is a number.
    """
    if wanted is not None and not has_classes:
        raise model_error(
            "plan.training", "training.class_weights weighs classes, and the target is a number: leave it out"
        )


def of_rows(
    weights: ClassWeights | None, classes: Sequence[str] | None, target: NDArray[Any]
) -> NDArray[np.float64] | None:
    """What each row counts; ``None`` if all count the same.

    Args:
        weights: By label, as ``settled``; a label that is not named has 1.
        classes: All labels, in the order of their codes; ``None`` for a number.
        target: Codes, shape (rows,).

    Raises:
        TrainingError: They are still to be settled, name a label that there is not, or the target is a number.
    """
    if weights is None:
        return None
    require_classes(weights, has_classes=classes is not None)
    assert classes is not None
    if isinstance(weights, str):
        raise model_error(
            "plan.training",
            f"training.class_weights: {weights} has to be numbers before edges train, since no edge knows the rows of "
            "the others: submit the plan with 'muster run'",
        )
    for label in weights:
        if label not in classes:
            raise _unknown(label, classes)
    by_code = np.array([weights.get(label, 1.0) for label in classes], np.float64)
    found: NDArray[np.float64] = by_code[target]
    return found


def _unknown(label: str, known: Mapping[str, int] | Sequence[str]) -> TrainingError:
    return model_error(
        "plan.training",
        f"training.class_weights names {label[:80]!r}, which is no class of the target; "
        f"{known_or_nearest(label, known)}",
    )
