"""What values of the older calls are called here, and what they may be. Pure: a value in, a value of a plan out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from bus.errors import Invalid
from training.schedules import tabulated
from training.suggestions import known_or_nearest

EPOCHS: Final = (1, 1000)
CYCLES: Final = (1, 100)
FEW_ROWS: Final = 5
"""A class that has more keeps more."""
SPLIT_FOR_NONE: Final = 0.1
"""What a validation split of 0 means."""
OPTIMIZERS: Final = {
    "torch": ("adam", "adamw", "rmsprop", "sgd", "adadelta", "adagrad", "adamax"),
    "tensorflow": ("adam", "rmsprop", "sgd", "adadelta", "adagrad", "adamax", "nadam", "ftrl"),
}
LOSSES: Final = {
    "tabular_classification": {
        "crossentropy": "cross_entropy",
        "binarycrossentropy": "cross_entropy",
        "binary_crossentropy": "cross_entropy",
        "categorical_crossentropy": "cross_entropy",
    },
    "tabular_regression": {"mse": "mse", "l1": "mae"},
}
MONITORS: Final = {
    "tabular_classification": {"loss": "validation.log_loss", "accuracy": "validation.accuracy"},
    "tabular_regression": {"loss": "validation.mse"},
}
SCALERS: Final = {
    "StandardScaler": "standard",
    "MinMaxScaler": "minmax",
    "RobustScaler": "robust",
    "MaxAbsScaler": "maxabs",
    "QuantileTransformer": "quantile",
}
ENCODINGS: Final = {"label": "ordinal", "onehot": "onehot"}
IMPUTATIONS: Final = ("median", "mean", "most_frequent", "constant", "none")
SCHEDULES: Final = {
    "ExponentialDecay": "exponential",
    "PiecewiseConstantDecay": "piecewise",
    "PolynomialDecay": "polynomial",
    "InverseTimeDecay": "inverse_time",
    "CosineDecay": "cosine",
    "CosineDecayRestarts": "cosine_restarts",
}
MADE: Final = {
    "product": "product",
    "ratio": "ratio",
    "sum": "sum",
    "difference": "difference",
    "differences": "difference",
    "polynomial": "polynomial",
    "pca": "pca",
}
"""Ways to make a feature of two columns."""
CHOSEN: Final = {"include": "features", "exclude": "exclude"}
"""Ways to choose columns."""
NOT_MADE: Final = ("outlier simulation", "shuffle")
_STRATEGY_PARAMETERS: Final = {
    "proximal_mu": "mu",
    "eta": "learning_rate",
    "num_byzantine": "f",
    "num_clients_to_keep": "keep",
}


def refuse(message: str) -> NoReturn:
    """Say that a value cannot be used.

    Raises:
        Invalid: Always.
    """
    raise Invalid(message, code="plan.field")


def one_of(value: object, known: Mapping[str, str], what: str) -> str:
    """What a word is called here.

    Raises:
        Invalid: It is not known; the nearest one is told.
    """
    if not isinstance(value, str) or value not in known:
        refuse(f"{what} {value!r} is not known; {known_or_nearest(str(value), known)}")
    return known[value]


def whole(value: object, bounds: tuple[int, int]) -> int:
    """A whole number within bounds.

    Raises:
        Invalid: It is none.
    """
    least, most = bounds
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        refuse(f"expected a whole number from {least} to {most}, found {value!r}")
    return value


def typed(value: object, kinds: tuple[str, ...], example: str) -> tuple[str, Any]:
    """The ``type`` and the ``value`` of a setting that has both.

    Raises:
        Invalid: It has not, or another type.
    """
    if not isinstance(value, Mapping) or not {"type", "value"} <= value.keys() or value["type"] not in kinds:
        refuse(f"expected {example}, with one of {', '.join(kinds)} as its type; found {value!r}")
    return value["type"], value["value"]


def learning_rate(value: object) -> object:
    """``training.learning_rate``.

    Raises:
        Invalid: It is none that can be had here.
    """
    kind, rate = typed(value, ("constant", "adaptive", "custom"), '{"type": "constant", "value": 0.001}')
    if kind == "constant":
        return rate
    if kind == "custom":
        return _tabulated(rate)
    if isinstance(rate, Mapping) and "schedule" in rate:
        return dict(rate)
    name = rate.get("schedular", rate.get("scheduler")) if isinstance(rate, Mapping) else rate
    schedule = one_of(name, SCHEDULES, "the scheduler")
    refuse(
        f"{name} counts steps, which differ from edge to edge; here schedules count epochs over all cycles: give "
        f'{{"type": "adaptive", "value": {{"schedule": "{schedule}", "rate": 0.01, ...}}}}, see docs/reference/plan.md'
    )


def _tabulated(asked: object) -> object:
    """A function of the epochs as a table: what it gives is sent to the edges, and not the function."""
    told = asked if isinstance(asked, Mapping) else {}
    function, epochs = told.get("name"), told.get("epoch")
    if not callable(function) or not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
        refuse(
            'expected {"type": "custom", "value": {"name": a function of the epochs, "epoch": for how many}}, '
            f"found {asked!r}"
        )
    try:
        return tabulated(function, epochs)
    except Exception as error:  # noqa: BLE001 - the caller's own function
        refuse(f"the function fails: {type(error).__name__}: {error}")


def file_of_loss(value: object) -> str:
    """Where a loss of the vendor's own is, from anywhere.

    Raises:
        Invalid: It is no file, or not there.
    """
    if not isinstance(value, str | Path):
        refuse(
            f"only a file can be sent to the edges: put the loss into one, as loss(outputs, targets); found {value!r}"
        )
    path = Path(value).expanduser().resolve()
    if not path.is_file():
        refuse(f"there is no file {value}: expected a Python file with a function loss(outputs, targets)")
    return str(path)


def rows_of_classes(wanted: object, there: Mapping[str, int]) -> dict[str, int]:
    """Class -> how many of its rows; all classes are named, and have enough.

    Args:
        wanted: What the setter was told.
        there: Class -> rows of all edges.

    Raises:
        Invalid: A class is missing, unknown, or has another number of rows than it may.
    """
    if not isinstance(wanted, Mapping):
        refuse(f"expected class -> rows for each of {', '.join(there)}, found {wanted!r}")
    said = {str(name): number for name, number in wanted.items()}
    if said.keys() != there.keys():
        wrong = ", ".join(sorted(said.keys() ^ there.keys()))
        refuse(f"expected a number for each of {', '.join(there)} and no other class; wrong or missing: {wrong}")
    for name, available in there.items():
        least = FEW_ROWS + 1 if available > FEW_ROWS else min(2, available)
        try:
            whole(said[name], (least, available))
        except Invalid as error:
            refuse(f"rows of {name!r}: {error.message}")
    return said


def monitor(value: object, category: str) -> str:
    """The score that a callback watches: of the global model, on rows kept for validation.

    Raises:
        Invalid: There is no such score.
    """
    known = MONITORS[category]
    return one_of(value, {**known, **{f"val_{name}": each for name, each in known.items()}}, "the monitor")


def strategy(name: object, parameters: Mapping[str, object]) -> dict[str, object]:
    """The plan's ``strategy``; whether there is one of that name is the plan's to say."""
    told = {_STRATEGY_PARAMETERS.get(each, each): value for each, value in parameters.items()}
    several = name == "krum" and told.get("keep", 0) not in {0, 1}
    if name == "krum" and not several:
        told.pop("keep", None)
    return {"name": "multikrum" if several else name, "parameters": told}


OF_OTHER_TASKS: Final = {
    **dict.fromkeys(
        (
            *("data_type", "dataType", "data_shape", "rotation_range", "width_shift_range", "height_shift_range"),
            *("brightness_range", "shear_range", "zoom_range", "channel_shift_range", "fill_mode", "cval"),
            *("horizontal_flip", "vertical_flip", "samplewise_center", "samplewise_std_normalization", "rescale"),
            "image_size_check",
        ),
        "is for images, and this release trains on tables",
    ),
    **dict.fromkeys(
        ("sequence_length", "forecast_horizon"),
        "is for texts and series, and this release trains on tables",
    ),
    **dict.fromkeys(
        ("enable_lora", "set_lora_parameters"), "is for language models, and this release trains on tables"
    ),
    "memory_check": "is not needed: limits.memory_bytes of the plan bounds every worker",
}
"""Settings without a meaning here, and why."""
