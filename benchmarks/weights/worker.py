"""Echo training in a worker's place, within the daemon's process: files in, files out, a block at a time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.echo import workload
from training.errors import TrainingError
from training.worker.config import METRICS, WEIGHTS, Task
from training.worker.process import Assignment
from training.worker.sandbox import Isolation
from training.worker.supervise import Ended, Tell, Usage

_PREFIX: Final = 8
_BLOCK_BYTES: Final = workload.BLOCK * 4

Blocks = Iterable[NDArray[np.float32]]


@dataclass(frozen=True)
class Echo:
    """What one edge does in place of a worker.

    Attributes:
        number: Of the edge.
        megabytes: Size of the model.
        arrays: See ``workload.layers``.
        seed: Of the first model.
    """

    number: int
    megabytes: float
    arrays: int
    seed: int

    async def run(self, assignment: Assignment, _isolation: Isolation, _tell: Tell) -> Ended:
        """Do what a worker would; see ``training.worker.supervise.run_worker``."""
        began, cpu = time.monotonic(), time.thread_time()
        await asyncio.to_thread(self._work, assignment)
        error: TrainingError | None = None
        return Ended(Usage(time.monotonic() - began, time.thread_time() - cpu, 0), error)

    def _work(self, assignment: Assignment) -> None:
        output = assignment.output
        # Whoever makes the first model sees no rows.
        examples = workload.examples(self.number) if assignment.task.needs_data else 1
        (output / METRICS).write_text(json.dumps({"examples": examples, "scores": []}))
        if assignment.task is Task.STATISTICS:
            counted = [("sum", (1,))]
            write(output / WEIGHTS, header(counted, "sum"), [np.ones(1, np.float32)])
        elif assignment.task is Task.INITIALISE:
            form = header(workload.layers(self.megabytes, self.arrays), "mean")
            write(output / WEIGHTS, form, workload.first(workload.count(self.megabytes), self.seed))
        elif assignment.task is Task.TRAIN:
            self._train(assignment.inputs / WEIGHTS, output / WEIGHTS)

    def _train(self, received: Path, trained: Path) -> None:
        with received.open("rb") as file:
            size = file.read(_PREFIX)
            form = size + file.read(int.from_bytes(size, "little"))
            write(trained, form, _plus(file, workload.step(self.number)))


def header(tensors: Iterable[tuple[str, tuple[int, ...]]], reduction: str) -> bytes:
    """The header of a safetensors file of float32, with the metadata that Muster asks for."""
    names, at = [], 0
    content: dict[str, Any] = {}
    for name, shape in tensors:
        size = int(np.prod(shape)) * 4
        content[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        names.append(name)
        at += size
    own = json.dumps({"reductions": dict.fromkeys(names, reduction)})
    text = json.dumps({"__metadata__": {"muster": own}, **content}).encode()
    text += b" " * (-len(text) % _PREFIX)
    return len(text).to_bytes(_PREFIX, "little") + text


def write(path: Path, form: bytes, blocks: Blocks) -> None:
    """Write a file of one header and the numbers of all its tensors."""
    with path.open("wb") as file:
        file.write(form)
        for block in blocks:
            file.write(block.data)


def _plus(file: BinaryIO, step: np.float32) -> Blocks:
    buffer = bytearray(_BLOCK_BYTES)
    read: Callable[[bytearray], int] = file.readinto  # type: ignore[attr-defined]
    while size := read(buffer):
        block = np.frombuffer(buffer, np.float32, size // 4)
        block += step
        yield block
