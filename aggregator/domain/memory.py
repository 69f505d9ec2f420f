"""What a strategy keeps from cycle to cycle, as a body of its own.

It is a safetensors file. For each learnt tensor of the model, in the model's order, it holds one of the same name:
float64, of the model's shape with one more axis at the end, along which the strategy's slots lie. So the numbers that
belong to one element of the model lie together, and the file is read and written in step with the model's chunks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from aggregator.domain.formats import FLOATS
from bus.weights.layout import ALIGNMENT_BYTES, METADATA, OWN_METADATA, DType, Layout, Tensor

_PREFIX_BYTES: Final = 8


def learnt(tensor: Tensor) -> bool:
    """Whether a tensor is learnt, and so the strategy's business: a float that is averaged."""
    return tensor.reduction == "mean" and tensor.dtype in FLOATS


def header(model: Layout, slots: Sequence[str]) -> bytes:
    """The header of the state that belongs to models of one layout, length prefix included.

    Args:
        model: The models' layout.
        slots: What the strategy keeps per element.
    """
    tensors = [tensor for tensor in model.tensors if learnt(tensor)]
    own = {"reductions": {tensor.name: "keep" for tensor in tensors}, "slots": list(slots)}
    content: dict[str, object] = {METADATA: {OWN_METADATA: json.dumps(own, sort_keys=True, separators=(",", ":"))}}
    offset = 0
    for tensor in tensors:
        size = elements(tensor) * len(slots) * DType.F64.itemsize
        shape = [*tensor.shape, len(slots)]
        content[tensor.name] = {"dtype": "F64", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT_BYTES)
    return len(text).to_bytes(_PREFIX_BYTES, "little") + text


def size_bytes(model: Layout, slots: Sequence[str]) -> int:
    """Of the whole body."""
    count = sum(elements(tensor) for tensor in model.tensors if learnt(tensor))
    return len(header(model, slots)) + count * len(slots) * DType.F64.itemsize


def elements(tensor: Tensor) -> int:
    """Number of elements of a tensor."""
    return (tensor.end - tensor.begin) // tensor.dtype.itemsize
