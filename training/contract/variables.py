"""The names that a model file's header may have, as data: kinds, meanings, and what they are needed for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EVERY: Final = frozenset[str]()
"""Stands for every category, or every framework."""

CLASSIFICATION: Final = frozenset(
    {
        *("image_classification", "text_classification", "token_classification", "sentence_pair_classification"),
        *("tabular_classification", "time_series_classification"),
    }
)
_VISION: Final = frozenset(
    {
        *("image_classification", "object_detection", "keypoint_detection"),
        *("semantic_segmentation", "instance_segmentation"),
    }
)
_GENERATIVE: Final = frozenset({"masked_language_modeling", "causal_language_modeling", "seq2seq", "embeddings"})
_TEXT: Final = _GENERATIVE | {"text_classification", "token_classification", "sentence_pair_classification"}
_SERIES: Final = frozenset({"time_series_forecasting", "time_series_classification"})
_TABULAR: Final = frozenset({"tabular_classification", "tabular_regression"})
_SURVIVAL: Final = frozenset({"time_to_event_prediction"})

CATEGORIES: Final = _VISION | _TEXT | _SERIES | _TABULAR | _SURVIVAL
"""Every task category that has a name; which of them this version trains, the registry knows."""


class Kind(StrEnum):
    """What a value must be, in words that finish a sentence."""

    TEXT = 'a text in quotes, e.g. "linear"'
    COUNT = "a whole number above 0, e.g. 16"
    SHAPE = "whole numbers above 0 in brackets, e.g. (3, 224, 224)"


@dataclass(frozen=True)
class Variable:
    """One name.

    Attributes:
        name: As the file has it.
        kind: Of its value.
        meaning: For people.
        categories: Those that it means something for; ``EVERY``: all.
        needed: Those of them that cannot do without it.
        frameworks: Those that need it; ``EVERY``: all.
    """

    name: str
    kind: Kind
    meaning: str
    categories: frozenset[str] = EVERY
    needed: frozenset[str] = frozenset()
    frameworks: frozenset[str] = EVERY

    def fits(self, category: str) -> bool:
        """Whether it means something for a category."""
        return not self.categories or category in self.categories

    def is_needed(self, category: str, framework: str) -> bool:
        """Whether a model of that category and framework cannot do without it."""
        return category in self.needed and (not self.frameworks or framework in self.frameworks)


VARIABLES: Final = (
    Variable("framework", Kind.TEXT, "what the model is written in", needed=CATEGORIES),
    Variable("category", Kind.TEXT, "the task category", needed=CATEGORIES),
    Variable("main_method", Kind.TEXT, "the function that makes the model; this or `main_class`"),
    Variable("main_class", Kind.TEXT, "the class that is the model; this or `main_method`"),
    Variable(
        "model_type",
        Kind.TEXT,
        "the kind of model within the framework; what the file makes is held to it",
        needed=frozenset({"object_detection"}),
    ),
    Variable(
        "batch_size",
        Kind.COUNT,
        "rows per step, where the plan's `training.batch_size` is left out",
        needed=CATEGORIES - _TABULAR,
        frameworks=frozenset({"torch", "tensorflow"}),
    ),
    Variable(
        "output_classes",
        Kind.COUNT,
        "classes that the model tells apart; held to those of the data",
        categories=CLASSIFICATION | _VISION,
        needed=(CLASSIFICATION | _VISION) - _TABULAR,
    ),
    Variable(
        "num_feature_points",
        Kind.COUNT,
        "columns that it learns from, or key points of an image; held to those of the data",
        categories=_TABULAR | _SERIES | _SURVIVAL | {"keypoint_detection"},
        needed=_SERIES | _SURVIVAL | {"keypoint_detection"},
    ),
    Variable(
        "image_size",
        Kind.COUNT,
        "side of the square images, in pixels",
        categories=_VISION,
        needed=_VISION,
    ),
    Variable(
        "sequence_length",
        Kind.COUNT,
        "tokens of a text, or time steps that it looks back",
        categories=_TEXT | _SERIES,
        needed=_TEXT | _SERIES,
    ),
    Variable(
        "forecast_horizon",
        Kind.COUNT,
        "time steps that it looks ahead",
        categories=frozenset({"time_series_forecasting"}),
        needed=frozenset({"time_series_forecasting"}),
    ),
    Variable(
        "vocab_size",
        Kind.COUNT,
        "number of different tokens",
        categories=_GENERATIVE,
        needed=_GENERATIVE - {"embeddings"},
    ),
    Variable(
        "input_shape",
        Kind.SHAPE,
        "shape of one record, without the batch: `(columns,)` for a table",
        categories=_VISION | _TABULAR,
    ),
    Variable("license", Kind.TEXT, "under which terms the model is given, e.g. an SPDX identifier"),
)
BY_NAME: Final[Mapping[str, Variable]] = {variable.name: variable for variable in VARIABLES}

OFFERED: Final = ("features", "outputs")
"""Arguments that the function or class may take: number of columns; number of classes, or 1 for a number."""

MODEL_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "sklearn": (
        *("linear", "neural_network", "tree", "ensemble", "svm", "naive", "clustering"),
        *("catboost", "xgboost", "lightgbm"),
    ),
    "torch": ("linear", "neural_network"),
    "tensorflow": ("linear", "neural_network"),
}
"""Framework -> kinds of models that have a name; which of them can be trained is the plug-in's to say."""
