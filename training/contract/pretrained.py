"""Weights that a model begins with: a safetensors file, held to what the model makes by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from training.contract.archive import PICKLES, SAFETENSORS_ONLY, WEIGHTS
from training.errors import TrainingError, model_error
from training.finite import not_finite
from training.weights import METADATA, is_union

_PREFIXES: Final = ("model.", "module.")
"""What frameworks put before every name when a module is wrapped; ``model.`` is Muster's own, too."""
_SHOWN: Final = 5


def beside(model: Path) -> Path | None:
    """The weights file that belongs to a model file by its name, if it is there.

    Raises:
        TrainingError: There is one in a format that is not read.
    """
    wanted = model.with_name(f"{model.stem}{WEIGHTS}")
    if wanted.exists():
        return wanted
    for suffix in PICKLES:
        if (other := model.with_name(f"{model.stem}_weights{suffix}")).exists():
            raise _format(other, SAFETENSORS_ONLY)
    return None


def check_file(path: Path) -> None:
    """Check that a file of weights is there and can be read, without reading a tensor.

    Raises:
        TrainingError: It is missing, or no safetensors file.
    """
    if not path.is_file():
        raise model_error("pretrained.missing", f"there is no weights file {path}: expected a safetensors file there")
    if path.suffix in PICKLES:
        raise _format(path, SAFETENSORS_ONLY)
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
    except (OSError, SafetensorError) as error:
        raise _format(path, SAFETENSORS_ONLY) from error
    if not names:
        raise _format(path, "it holds no tensor")


def read_pretrained(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file of weights. Of a global model of Muster's, those of the model.

    Raises:
        TrainingError: It is missing, no safetensors file, or has numbers that are not finite.
    """
    check_file(path)
    for name, wrong in not_finite(path):
        raise model_error(
            "pretrained.finite", f"the weights file has {wrong} values in {name[:80]!r} that are not finite"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            own = METADATA in (file.metadata() or {})
            names = [name for name in list(file.keys()) if not own or name.startswith(_PREFIXES[0])]
            found = {name: file.get_tensor(name) for name in sorted(names)}
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise _format(path, f"a tensor cannot be read: {type(error).__name__}") from error
    return {name.removeprefix(_PREFIXES[0]): each for name, each in found.items()} if own else found


def fitted(
    given: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]], reductions: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """The given tensors under the model's names, if they are of its form.

    Args:
        given: As in the file. A prefix that all names share is taken away, if they are the model's without it.
        expected: What the model makes by itself.
        reductions: Name -> how updates of it are combined: of what is united, any number of members will do.

    Raises:
        TrainingError: Names, shapes or types differ; the message lists them.
    """
    for prefix in _PREFIXES:
        if given.keys() != expected.keys() and {f"{prefix}{name}" for name in expected} == given.keys():
            given = {name.removeprefix(prefix): each for name, each in given.items()}
    wrong = [f"{name!r} is missing" for name in sorted(expected.keys() - given.keys())]
    wrong += [f"{name[:80]!r} is not the model's" for name in sorted(given.keys() - expected.keys())]
    for name in sorted(expected.keys() & given.keys()):
        begin = 1 if is_union(reductions.get(name, "")) else 0
        found, wanted = given[name], np.asarray(expected[name])
        if (found.dtype, found.ndim, found.shape[begin:]) != (wanted.dtype, wanted.ndim, wanted.shape[begin:]):
            wrong.append(f"{name!r} is {_form(found)} where the model has {_form(wanted)}")
    if wrong:
        rest = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise model_error(
            "pretrained.mismatch", f"the weights file is not for this model: {'; '.join(wrong[:_SHOWN])}{rest}"
        )
    return dict(given)


def _form(tensor: NDArray[Any]) -> str:
    return f"{tensor.dtype}{list(tensor.shape)}"


def _format(path: Path, problem: str) -> TrainingError:
    return model_error("pretrained.format", f"the weights file {path.name} cannot be used: {problem}")
