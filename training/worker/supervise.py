"""Starting a worker, watching it, and making sure that it ends."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from training.errors import Category, TrainingError
from training.worker.config import MODEL
from training.worker.process import Assignment, Process, Used
from training.worker.result import Progress, read_error, read_progress, used_bytes
from training.worker.sandbox import Isolation

_LOOK_S: Final = 0.25
_SHELL: Final = 128
"""A shell's, and bubblewrap's, exit status for a signal is this plus its number."""

Tell = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True)
class Usage:
    """What a worker used, measured from outside."""

    wall_s: float
    cpu_s: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Ended:
    """How a worker ended: ``error`` is ``None`` if well."""

    usage: Usage
    error: TrainingError | None


Run = Callable[[Assignment, Isolation, Tell], Awaitable[Ended]]
"""Runs a worker to its end, as ``run_worker`` does."""


async def _nobody(progress: Progress) -> None:
    """Nobody wants to know."""


async def run_worker(assignment: Assignment, isolation: Isolation, tell: Tell = _nobody) -> Ended:
    """Run a worker to its end, or end it when it reaches a limit. Cancellation kills it.

    Args:
        assignment: What to run.
        isolation: What keeps it in; see ``sandbox.available``.
        tell: Told of its progress.
    """
    began = time.monotonic()
    process = Process.start(assignment, isolation)
    ending = asyncio.ensure_future(asyncio.to_thread(process.wait))
    breach: TrainingError | None = None
    try:
        breach = await _watch(assignment, ending, began, tell)
    finally:
        # Also after cancellation: the thread that waits must come to its end before anything else goes on.
        if not ending.done():
            process.kill()
        status, used = await asyncio.shield(ending)
    usage = Usage(round(time.monotonic() - began, 3), used.cpu_s, used.peak_memory_bytes)
    error = breach or await asyncio.to_thread(_failure, status, used, assignment)
    if error is not None:
        error.phase = error.phase or assignment.task.phase
    return Ended(usage, error)


async def _watch(
    assignment: Assignment, ending: asyncio.Future[tuple[int, Used]], began: float, tell: Tell
) -> TrainingError | None:
    offset, limits = 0, assignment.limits
    while True:
        left_s = limits.wall_s - (time.monotonic() - began)
        done, _ = await asyncio.wait({ending}, timeout=min(_LOOK_S, max(0.0, left_s)))
        progress, offset = read_progress(assignment.output, offset)
        if progress is not None:
            await tell(progress)
        if used_bytes(assignment.output) > limits.disk_bytes:
            return _limit("resource.disk", f"it wrote more than its {limits.disk_bytes} bytes of disk")
        if done:
            return None
        if time.monotonic() - began >= limits.wall_s:
            return _limit("resource.wall", f"it took longer than its {limits.wall_s:g} seconds")


def _failure(status: int, used: Used, assignment: Assignment) -> TrainingError | None:
    """Why a worker that no limit stopped from outside did not end well; ``None`` if it did."""
    if status == 0:
        return None
    number = -status if status < 0 else status - _SHELL
    if number == signal.SIGXCPU or (number == signal.SIGKILL and used.cpu_s >= assignment.limits.cpu_s):
        return _limit("resource.cpu", f"it used more than its {assignment.limits.cpu_s:g} seconds of CPU")
    if number == signal.SIGXFSZ:
        return _limit("resource.disk", f"it wrote more than its {assignment.limits.disk_bytes} bytes of disk")
    said = read_error(assignment.output, assignment.inputs / MODEL, assignment.task)
    if said is not None:
        return said
    if number == signal.SIGKILL:
        return _limit("resource.killed", "the system killed it, most likely for want of memory")
    how = f"with signal {number}" if 0 < number < signal.NSIG else f"with status {status}"
    return TrainingError(Category.MODEL, "worker.crashed", f"the worker ended {how} and gave no reason")


def _limit(code: str, message: str) -> TrainingError:
    return TrainingError(Category.RESOURCE, code, f"the worker was stopped: {message}")
