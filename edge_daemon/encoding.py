"""Encoding a job's update: once, after it was checked and while the model that it was trained from is still there.

::

    jobs/<command id>/output/update.frames   what is sent in its place (``bus.weights.encoded``)
    jobs/<command id>/kept/residual          what is left out, with error feedback; never leaves

A residual is: the digest of the weights' header, 71 bytes; float32 numbers in step with the model's chunks; and the
SHA-256 of both, 32 bytes. One that is damaged or belongs to other weights is as good as none.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from bus.errors import Invalid
from bus.events.base import Digest
from bus.events.cycles import RunCycle
from bus.events.weights import Encoded
from bus.weights import encoded, layout, outgoing
from bus.weights.encoding.draws import Philox
from bus.weights.encoding.floats import encodable
from bus.weights.encoding.frames import Frame, Residual, encode
from bus.weights.encoding.places import Place, Places
from bus.weights.layout import Layout
from training.errors import egress_error, model_error

FRAMES: Final = "update.frames"
RESIDUAL: Final = "residual"
_HASH_BYTES: Final = hashlib.sha256().digest_size
_PIECE_BYTES: Final = 1024 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """What is read and written.

    Attributes:
        model: What was trained from.
        trained: What came of it, checked.
        left: What was left out before, if it is there.
        output: Folder for the frames.
        kept: Folder for what is left out now.
    """

    model: Path
    trained: Path
    left: Path | None
    output: Path
    kept: Path


def encode_update(command: RunCycle, files: Files) -> tuple[Encoded, bool]:
    """Write the frames of an update, and what they leave out if that is fed back. Reads a chunk at a time.

    Returns:
        What is said of them, and whether something that was left out before went into them.

    Raises:
        TrainingError: A difference is too large for the encoding, or the header is not that of the model.
    """
    there, trained = layout_of(files.model), layout_of(files.trained)
    if there.header != trained.header:
        raise egress_error("weights.shape", "the weights' header is not that of the model that they were trained from")
    with ExitStack() as stack:
        frames = stack.enter_context((files.output / FRAMES).open("wb"))
        left = _Left(there, files.left if command.encoding.error_feedback else None, stack)
        rest = _Rest(there, files.kept, stack) if command.encoding.error_feedback else None
        sent = 0
        for frame in _frames(command, files, left if rest is not None else None):
            encoded.write_frame(frames, frame.data)
            sent += len(frame.data)
            if rest is not None:
                rest.write(frame.residual)
        if rest is not None:
            rest.finish()
        model, _ = outgoing.digest_of(files.model)
        return Encoded(encoding=command.encoding, model=model, sent_bytes=sent), left.there


def frames_digest(path: Path) -> Digest:
    """SHA-256 of the frames of a file, one behind the other: what is said of an encoded update."""
    digest = hashlib.sha256()
    for frame in encoded.read_frames(path):
        digest.update(frame)
    return Digest(f"sha256:{digest.hexdigest()}")


def layout_of(path: Path) -> Layout:
    """The layout of a safetensors file.

    Raises:
        Invalid: It is none, or cannot be handled chunk by chunk.
    """
    with path.open("rb") as file:
        start = file.read(8)
        size = layout.header_bytes(start)
        return layout.parse(start + file.read(size - len(start)))


def _frames(command: RunCycle, files: Files, left: _Left | None) -> Iterator[Frame]:
    places = Places()
    chunks = zip(encoded.read_chunks(files.model), encoded.read_chunks(files.trained), strict=True)
    for index, (model, trained) in enumerate(chunks):
        place = places.take(model)
        draws = Philox(command.seed, command.edge, command.cycle.number, index)
        before = None if left is None else left.read(place)
        try:
            yield encode(command.encoding, place, model, trained, before, draws)
        except Invalid as error:
            raise model_error(error.code, error.message) from error


class _Left:
    """What was left out before, in step with the chunks.

    Args:
        weights: What it has to belong to.
        path: Where it is, if it is.
        stack: Closes it.
    """

    def __init__(self, weights: Layout, path: Path | None, stack: ExitStack) -> None:
        self._file: BinaryIO | None = None
        if path is None:
            return
        if not _whole(path, weights):
            _log.warning("what was left out of earlier updates is damaged: it is not added to this one")
            return
        self._file = stack.enter_context(path.open("rb"))
        self._file.read(len(weights.digest))

    @property
    def there(self) -> bool:
        """Whether there is anything."""
        return self._file is not None

    def read(self, place: Place) -> Residual:
        """Of the next chunk."""
        count = _elements(place)
        if self._file is None:
            return np.zeros(count, np.float32)
        return np.frombuffer(self._file.read(4 * count), "<f4")


class _Rest:
    """What is left out now.

    Args:
        weights: What it belongs to.
        folder: Where it goes.
        stack: Closes it.
    """

    def __init__(self, weights: Layout, folder: Path, stack: ExitStack) -> None:
        folder.mkdir(exist_ok=True)
        self._file = stack.enter_context((folder / RESIDUAL).open("wb"))
        self._digest = hashlib.sha256()
        self._add(weights.digest.encode())

    def write(self, residual: Residual) -> None:
        """Of the next chunk."""
        self._add(residual.astype("<f4").tobytes())

    def finish(self) -> None:
        """That was all."""
        self._file.write(self._digest.digest())

    def _add(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


def _whole(path: Path, weights: Layout) -> bool:
    """Whether a residual belongs to these weights and is as it was written."""
    count = sum((t.end - t.begin) // t.dtype.itemsize for t in weights.tensors if encodable(t))
    body = len(weights.digest) + 4 * count
    if path.stat().st_size != body + _HASH_BYTES:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if file.read(len(weights.digest)) != weights.digest.encode():
            return False
        digest.update(weights.digest.encode())
        left = 4 * count
        while left:
            piece = file.read(min(left, _PIECE_BYTES))
            digest.update(piece)
            left -= len(piece)
        return file.read() == digest.digest()


def _elements(place: Place) -> int:
    return sum((s.end - s.begin) // s.tensor.dtype.itemsize for s in place.segments)
