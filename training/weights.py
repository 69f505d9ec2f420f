"""Weights on disk: safetensors files whose metadata says how updates of each tensor are combined.

The metadata has one key, ``muster``, holding JSON ``{"reductions": {tensor: "mean"}, "about": {...}}``. One key only:
the safetensors library writes several in no fixed order, and equal weights must be equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from training.errors import egress_error
from training.finite import not_finite

METADATA: Final = "muster"
MEAN: Final = "mean"
SUM: Final = "sum"
KEEP: Final = "keep"
STATISTIC: Final = "statistic"
"""Averaged, but not learnt: no strategy takes it for a direction to go."""

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Weights:
    """Tensors with what is known about them.

    Attributes:
        tensors: Name -> values.
        reductions: Name -> how updates of it are combined.
        about: What the tensors are, as the framework plug-in says; plain JSON, equal at every edge.
    """

    tensors: Tensors
    reductions: Mapping[str, str]
    about: Mapping[str, Any] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Tensors whose names begin with ``prefix`` and a dot, without it."""
        return {n.removeprefix(f"{prefix}."): t for n, t in self.tensors.items() if n.startswith(f"{prefix}.")}

    def replaced(self, prefix: str, tensors: Tensors) -> Weights:
        """The same with the tensors under ``prefix`` replaced."""
        return Weights({**self.tensors, **named(prefix, tensors)}, self.reductions, self.about)


def named(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """``tensors`` with ``prefix`` and a dot before each name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def write_weights(path: Path, weights: Weights) -> None:
    """Write a safetensors file; the same weights give the same bytes."""
    missing = weights.tensors.keys() ^ weights.reductions.keys()
    assert not missing, f"tensors and reductions differ in {sorted(missing)}"
    content = {"reductions": dict(sorted(weights.reductions.items())), "about": dict(weights.about)}
    metadata = {METADATA: json.dumps(content, sort_keys=True, separators=(",", ":"))}
    # A copy in C order: the library writes the memory as it lies.
    save_file(
        {name: np.array(tensor, order="C", copy=True) for name, tensor in weights.tensors.items()}, path, metadata
    )


def read_weights(path: Path) -> Weights:
    """Read a safetensors file.

    Raises:
        TrainingError: It is none, or was not written for Muster.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {})[METADATA])
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        return Weights(tensors, dict(metadata["reductions"]), dict(metadata.get("about", {})))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise egress_error(
            "weights.format",
            f"{path.name} is not a safetensors file with a {METADATA!r} entry: {type(error).__name__}",
        ) from error


def check_weights(path: Path, *, reference: Path | None, max_bytes: int) -> None:
    """Check weights that somebody else's code wrote before they leave. Never reads a whole tensor.

    Args:
        path: The file; may be anything.
        reference: Weights that the worker was given and must have kept the form of, if it must.
        max_bytes: Largest size allowed.

    Raises:
        TrainingError: Missing, too large, not safetensors, of another form, or with numbers that are not finite.
    """
    if path.is_symlink() or not path.is_file():
        raise egress_error("weights.missing", f"the worker wrote no {path.name}")
    if (size := path.stat().st_size) > max_bytes:
        raise egress_error("weights.size", f"{path.name} has {size} bytes; at most {max_bytes} may leave")
    found = _form(path)
    if not found:
        raise egress_error("weights.empty", f"{path.name} holds no tensor")
    if reference is not None:
        _check_form(found, _form(reference))
    for name, wrong in not_finite(path):
        raise egress_error(
            "weights.finite",
            f"tensor {name[:80]!r} has {wrong} values that are not finite: lower the learning rate, or check "
            "the features",
        )


def _form(path: Path) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """Tensor -> dtype, shape, reduction."""
    try:
        with safe_open(path, framework="numpy") as file:
            reductions = json.loads((file.metadata() or {})[METADATA])["reductions"]
            names = sorted(file.keys())
            slices = {name: file.get_slice(name) for name in names}
            return {n: (str(s.get_dtype()), tuple(s.get_shape()), str(reductions[n])) for n, s in slices.items()}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise egress_error(
            "weights.format",
            f"{path.name} is not a safetensors file that gives each tensor a reduction; pickles and other formats "
            "are never accepted",
        ) from error


def _check_form(
    found: Mapping[str, tuple[str, tuple[int, ...], str]], expected: Mapping[str, tuple[str, tuple[int, ...], str]]
) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise egress_error("weights.shape", f"the worker left out the tensor {name!r}")
        if name not in expected:
            raise egress_error("weights.shape", f"the worker added a tensor {name[:80]!r} that the model does not have")
        if found[name] != expected[name]:
            (dtype, shape, _), (want_dtype, want_shape, _) = found[name], expected[name]
            raise egress_error(
                "weights.shape",
                f"tensor {name!r} is {dtype}{list(shape)} where the model has {want_dtype}{list(want_shape)}, or is "
                "combined in another way",
            )
