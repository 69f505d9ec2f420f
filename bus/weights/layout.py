"""The layout of a body: which bytes of a safetensors file are which tensor.

Format: 8 bytes little-endian header length, a JSON header, the tensors' bytes (safetensors 0.x). Beyond the
format we require what makes chunk-wise work possible: tensors in the order of their offsets without gaps, every
element within one chunk.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from bus.errors import Invalid
from bus.events.base import Digest
from bus.weights.members import counted, group_of

_PREFIX_BYTES: Final = 8
MAX_HEADER_BYTES: Final = 32 * 1024 * 1024
ALIGNMENT_BYTES: Final = 8
METADATA: Final = "__metadata__"
_FORM: Final = "muster form v1"
OWN_METADATA: Final = "muster"
"""Key of the safetensors metadata under which Muster keeps reductions and the artefact's description, as JSON."""


class DType(StrEnum):
    """Element types, by their names in safetensors."""

    F64 = "F64"
    F32 = "F32"
    F16 = "F16"
    BF16 = "BF16"
    I64 = "I64"
    I32 = "I32"
    I16 = "I16"
    I8 = "I8"
    U64 = "U64"
    U32 = "U32"
    U16 = "U16"
    U8 = "U8"
    BOOL = "BOOL"

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return _ITEM_BYTES[self]


_ITEM_BYTES: Final[Mapping[DType, int]] = {
    DType.F64: 8,
    DType.I64: 8,
    DType.U64: 8,
    DType.F32: 4,
    DType.I32: 4,
    DType.U32: 4,
    DType.F16: 2,
    DType.BF16: 2,
    DType.I16: 2,
    DType.U16: 2,
    DType.I8: 1,
    DType.U8: 1,
    DType.BOOL: 1,
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a body.

    Attributes:
        name: Unique in the body.
        dtype: Element type.
        shape: Sizes; empty for a scalar.
        begin: Offset of its first byte in the file.
        end: Offset behind its last byte.
        reduction: How updates of it are combined.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    begin: int
    end: int
    reduction: str

    @property
    def group(self) -> str | None:
        """Of its members, the rows of the first axis; ``None`` if it is combined element by element."""
        return group_of(self.reduction)


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of elements of one tensor within one chunk: bytes ``begin`` to ``end`` of the chunk."""

    tensor: Tensor
    begin: int
    end: int


@dataclass(frozen=True)
class Layout:
    """The header of a body, understood.

    Attributes:
        header: Its raw bytes, length prefix included.
        tensors: In file order.
        members: Group -> number of members; empty if no tensor has members.
    """

    header: bytes
    tensors: tuple[Tensor, ...]
    members: Mapping[str, int] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        return self.tensors[-1].end if self.tensors else len(self.header)

    @property
    def digest(self) -> Digest:
        """SHA-256 that is equal for bodies that can be combined.

        Without members it is that of the header. With members it is that of the form: metadata and tensors in file
        order, without offsets and without the numbers of members.
        """
        content = self._form if self.members else self.header
        return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")

    @property
    def metadata(self) -> Mapping[str, str]:
        """Of the file."""
        found: Mapping[str, str] = json.loads(self.header[_PREFIX_BYTES:])[METADATA]
        return found

    @property
    def _form(self) -> bytes:
        tensors = [
            [t.name, t.dtype, [None, *t.shape[1:]] if t.group is not None else t.shape, t.reduction]
            for t in self.tensors
        ]
        return json.dumps([_FORM, self.metadata, tensors], sort_keys=True, separators=(",", ":")).encode()

    def segments(self, begin: int, end: int) -> Iterator[Segment]:
        """The tensor parts in the bytes ``begin`` to ``end`` of the file, offsets relative to ``begin``."""
        for tensor in self.tensors:
            if tensor.end > begin and tensor.begin < end:
                yield Segment(tensor, max(tensor.begin, begin) - begin, min(tensor.end, end) - begin)


def header_bytes(start: bytes | memoryview) -> int:
    """Length of the whole header, prefix included, read from the first 8 bytes of a file.

    Raises:
        Invalid: Shorter than that, or absurdly large.
    """
    if len(start) < _PREFIX_BYTES:
        raise Invalid(f"a safetensors file has at least 8 bytes, this one {len(start)}", code="weights.format")
    size = int.from_bytes(start[:_PREFIX_BYTES], "little")
    if size > MAX_HEADER_BYTES:
        raise Invalid(
            f"the first 8 bytes announce a header of {size} bytes: this is not a safetensors file",
            code="weights.format",
        )
    return _PREFIX_BYTES + size


def parse(header: bytes) -> Layout:
    """The layout described by ``header`` (length prefix included, nothing behind it).

    Raises:
        Invalid: Not the header of a safetensors file, or of one that cannot be handled chunk by chunk.
    """
    try:
        content = json.loads(header[_PREFIX_BYTES:])
    except (UnicodeDecodeError, ValueError) as error:
        raise Invalid("the header of the weights is not JSON", code="weights.format") from error
    if not isinstance(content, dict):
        raise Invalid("the header of the weights is not a JSON object", code="weights.format")
    reductions = _reductions(content.pop(METADATA, {}))
    tensors = sorted(
        (_tensor(name, entry, len(header), reductions) for name, entry in content.items()),
        key=lambda t: (t.begin, t.end),
    )
    _check_contiguous(tensors, len(header))
    members = counted(tensors)
    if members:
        _check_falling(tensors)
    return Layout(header, tuple(tensors), members)


def _reductions(metadata: Any) -> dict[str, str]:  # noqa: ANN401 - foreign JSON
    try:
        return dict(json.loads(metadata[OWN_METADATA])["reductions"])
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(
            f"the weights' metadata has no {OWN_METADATA!r} entry with the tensors' reductions",
            code="weights.reduction",
        ) from error


def _tensor(name: str, entry: Any, offset: int, reductions: Mapping[str, str]) -> Tensor:  # noqa: ANN401 - foreign JSON
    try:
        dtype, shape = DType(entry["dtype"]), tuple(int(size) for size in entry["shape"])
        begin, end = (int(value) + offset for value in entry["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"the header's entry for tensor {name[:80]!r} is malformed", code="weights.format") from error
    if name not in reductions:
        raise Invalid(f"tensor {name[:80]!r} has no reduction in the metadata", code="weights.reduction")
    if end - begin != math.prod(shape) * dtype.itemsize or min(shape, default=0) < 0:
        raise Invalid(f"tensor {name[:80]!r} has {end - begin} bytes, which its shape denies", code="weights.format")
    if begin % dtype.itemsize:
        raise Invalid(
            f"tensor {name[:80]!r} begins at byte {begin}, not at a multiple of its element size: save tensors in "
            "order of falling element size, as the safetensors library does",
            code="weights.alignment",
        )
    return Tensor(name, dtype, shape, begin, end, str(reductions[name]))


def _check_contiguous(tensors: list[Tensor], offset: int) -> None:
    for tensor in tensors:
        if tensor.begin != offset:
            raise Invalid(f"there is a gap or an overlap before tensor {tensor.name[:80]!r}", code="weights.format")
        offset = tensor.end


def _check_falling(tensors: list[Tensor]) -> None:
    """Where sizes vary, only this order keeps every tensor aligned."""
    for before, after in pairwise(tensors):
        if before.dtype.itemsize < after.dtype.itemsize:
            raise Invalid(
                f"tensor {after.name[:80]!r} comes after one of smaller elements: save tensors in order of falling "
                "element size, as the safetensors library does",
                code="weights.alignment",
            )
