"""The layout of a body with other numbers of members."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from bus.errors import Invalid
from bus.weights.layout import ALIGNMENT_BYTES, MAX_HEADER_BYTES, METADATA, Layout, parse

_PREFIX_BYTES: Final = 8


def grown(layout: Layout, members: Mapping[str, int]) -> Layout:
    """``layout`` with so many members of each group, written as the safetensors library writes it.

    Args:
        layout: Of a body with members.
        members: Group -> number; all groups of the layout.

    Raises:
        Invalid: The header becomes too large, or there are more members than can be counted.
    """
    content: dict[str, Any] = {METADATA: dict(layout.metadata)}
    offset = 0
    for tensor in layout.tensors:
        shape = tensor.shape if tensor.group is None else (members[tensor.group], *tensor.shape[1:])
        size = math.prod(shape) * tensor.dtype.itemsize
        content[tensor.name] = {"dtype": tensor.dtype, "shape": shape, "data_offsets": (offset, offset + size)}
        offset += size
    try:
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Invalid("a name in the header of the weights is no Unicode text", code="weights.format") from error
    text += b" " * (-len(text) % ALIGNMENT_BYTES)
    if len(text) > MAX_HEADER_BYTES:
        raise Invalid(
            f"the header would have {len(text)} bytes, at most {MAX_HEADER_BYTES} are possible", code="weights.format"
        )
    return parse(len(text).to_bytes(_PREFIX_BYTES, "little") + text)
