"""The header of a model file: plain assignments at its top level, read with ``ast``.

::

    framework = "sklearn"
    category = "tabular_classification"
    main_method = "build"            # or main_class; returns the model. Called with nothing but those of
                                     # features (columns) and outputs (classes; 1 for a number) that it names
    num_feature_points: int = 30     # optional, like all in ``variables`` that the category does not need

    def build():
        return LogisticRegression()

Nothing of the file runs, so anybody may look at it safely. Only a worker runs it.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from training.contract.entry import ENTRIES, find_entry
from training.contract.source import assigned, parsed, stored
from training.contract.variables import BY_NAME, CATEGORIES, CLASSIFICATION, MODEL_TYPES, VARIABLES, Kind, Variable
from training.errors import TrainingError, model_error
from training.suggestions import known_or_nearest

_LARGEST: Final = 2**31 - 1
_LONGEST: Final = 200
_NEAR: Final = 0.8
"""How alike two names must be for one to be the other, misspelt (``difflib``'s ratio)."""


@dataclass(frozen=True)
class Header:
    """What a model file says about itself; numbers that it does not say are ``None``, texts are empty.

    Attributes:
        entry: Name of the function or class that makes the model.
    """

    framework: str
    category: str
    entry: str
    model_type: str = ""
    batch_size: int | None = None
    output_classes: int | None = None
    num_feature_points: int | None = None
    image_size: int | None = None
    sequence_length: int | None = None
    forecast_horizon: int | None = None
    vocab_size: int | None = None
    input_shape: tuple[int, ...] | None = None
    license: str = ""

    @property
    def classifies(self) -> bool:
        """Whether the target is a class, and not a number."""
        return self.category in CLASSIFICATION

    @property
    def said(self) -> frozenset[str]:
        """Names of the variables that the file has, but for those that name the entry."""
        return frozenset(v.name for v in VARIABLES if getattr(self, v.name, None) not in {None, ""})


def read_header(source: bytes, name: str = "the model file") -> Header:
    """The header of a model file, which is parsed and not run.

    Args:
        source: The file's content.
        name: How to call it in errors.

    Raises:
        TrainingError: Too large, not Python, or a header that is wrong; the message names the line and the fix.
    """
    tree = parsed(source, name)
    values = _values(tree, name)
    _check_spelling(tree, values, name)
    for wanted in ("framework", "category"):
        if wanted not in values:
            raise _missing(BY_NAME[wanted], name)
    entry = find_entry(tree, values, name)
    return Header(entry=entry, **{key: value for key, value in values.items() if key not in ENTRIES})


def check_header(header: Header, *, frameworks: Collection[str], categories: Collection[str], name: str) -> None:
    """Check that a header names what this installation has, and says what its category needs.

    Args:
        header: The header.
        frameworks: What is known here.
        categories: What this version trains.
        name: How to call the file in errors.

    Raises:
        TrainingError: An unknown framework, category or model type; a variable too many or one too few.
    """
    if header.framework not in frameworks:
        raise _unknown(name, "framework", header.framework, frameworks)
    if header.category not in categories:
        if header.category in CATEGORIES:
            raise model_error(
                "contract.later",
                f"{name} is for {header.category}, which this version does not train yet; expected one of "
                f"{', '.join(sorted(categories))}",
            )
        raise _unknown(name, "category", header.category, categories)
    types = MODEL_TYPES.get(header.framework, ())
    if header.model_type and types and header.model_type not in types:
        raise model_error(
            "model.type",
            f"{name} declares the model_type {header.model_type!r}, which {header.framework} does not have; "
            f"{known_or_nearest(header.model_type, types)}",
        )
    for variable in VARIABLES:
        said = variable.name in header.said
        if said and not variable.fits(header.category):
            raise model_error(
                "contract.unused",
                f"{name} says {variable.name}, which means nothing for {header.category}: remove that line",
            )
        if not said and variable.is_needed(header.category, header.framework):
            raise _missing(variable, name)


def _values(tree: ast.Module, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    plain = set()
    for variable, node, line in assigned(tree):
        if variable not in BY_NAME:
            continue
        if variable in found:
            raise model_error(
                "contract.twice",
                f"{name}, line {line}: {variable} was set in line {lines[variable]} already: keep one of the two",
            )
        found[variable], lines[variable] = _value(BY_NAME[variable], node, f"{name}, line {line}"), line
        plain.add((variable, line))
    for variable, line in stored(tree.body):
        if variable in BY_NAME and (variable, line) not in plain:
            raise _computed(BY_NAME[variable], f"{name}, line {line}")
    return found


def _value(variable: Variable, node: ast.expr | None, where: str) -> Any:  # noqa: ANN401 - of the variable's kind
    try:
        value = ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise _computed(variable, where) from None
    if value is None:
        raise _computed(variable, where)
    if variable.kind is Kind.SHAPE and isinstance(value, tuple | list) and value and all(map(_is_count, value)):
        return tuple(value)
    if variable.kind is Kind.COUNT and _is_count(value):
        return value
    if variable.kind is Kind.TEXT and isinstance(value, str) and value.isprintable() and 0 < len(value) <= _LONGEST:
        return value
    raise model_error(
        "contract.value", f"{where}: {variable.name} is {repr(value)[:60]}; expected {variable.kind.value}"
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= _LARGEST


def _check_spelling(tree: ast.Module, values: Mapping[str, Any], name: str) -> None:
    """What looks like a variable that is missing, and holds a plain value, is one that was misspelt."""
    missing = [variable for variable in BY_NAME if variable not in values]
    for found, node, line in assigned(tree):
        if found in BY_NAME or not isinstance(node, ast.Constant):
            continue
        for near in difflib.get_close_matches(found, missing, n=1, cutoff=_NEAR):
            raise model_error(
                "contract.misspelt", f"{name}, line {line}: {found} means nothing; did you mean {near!r}?"
            )


def _missing(variable: Variable, name: str) -> TrainingError:
    return model_error(
        "contract.missing",
        f"{name} has no {variable.name} ({variable.meaning}): expected a line {variable.name} = ... at its top level, "
        f"with {variable.kind.value}",
    )


def _computed(variable: Variable, where: str) -> TrainingError:
    return model_error(
        "contract.computed",
        f"{where}: {variable.name} must be written out, in a line of its own at the top level, since the file is read "
        f"and not run: {variable.kind.value}",
    )


def _unknown(name: str, what: str, value: str, known: Collection[str]) -> TrainingError:
    return model_error(
        "model.contract", f"{name} declares the {what} {value!r}, which is not known; {known_or_nearest(value, known)}"
    )
