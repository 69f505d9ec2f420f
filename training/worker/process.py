"""One worker as a process of this machine."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from resource import struct_rusage
from typing import Final, Self

from training.plan import Limits
from training.worker import sandbox
from training.worker.config import Task
from training.worker.sandbox import INFO_FD, Isolation

_log = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER: Final = 36


@dataclass(frozen=True)
class Used:
    """What a process and all its children used, as the system counts it."""

    cpu_s: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Assignment:
    """One run of a worker.

    Attributes:
        task: What it shall do.
        inputs: Directory with ``config.yaml`` and all that it names.
        output: Empty directory for what it writes.
        log: File for what it prints; stays at the site.
        limits: Bounds.
    """

    task: Task
    inputs: Path
    output: Path
    log: Path
    limits: Limits


class Process:
    """A worker that runs.

    Args:
        process: What was started: the worker, or the walls around it.
        inner: Process id of what is within the walls; ``None`` if there are none to look behind.
    """

    def __init__(self, process: subprocess.Popen[bytes], inner: int | None) -> None:
        self._process = process
        self._inner = inner

    @classmethod
    def start(cls, assignment: Assignment, isolation: Isolation) -> Self:
        """Start a worker; its output goes to the assignment's log."""
        command = sandbox.command(assignment.task, assignment.inputs, assignment.output, isolation)
        adopt_orphans()
        reading, writing = os.pipe()
        try:
            with assignment.log.open("wb") as log:
                process = subprocess.Popen(
                    [str(writing) if argument == INFO_FD else argument for argument in command.arguments],
                    env=command.environment,
                    cwd=command.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(writing,) if INFO_FD in command.arguments else (),
                )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        with os.fdopen(reading, "rb") as info:
            inner = _child(info.read()) if INFO_FD in command.arguments else None
        return cls(process, inner)

    def wait(self) -> tuple[int, Used]:
        """Wait until it ended; returns its status, negative for a signal, and what it used."""
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._inner is not None:
            # Bubblewrap ends without waiting for what it started, so that is ours to wait for, and to count.
            with suppress(ChildProcessError):
                _, _, used = os.wait4(self._inner, 0)
        return self._process.returncode, _counted(used)

    def kill(self) -> None:
        """End it and everything that it started, at once."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            _log.debug("worker %d ended by itself", self._process.pid)


def adopt_orphans() -> None:
    """Have the children of our children become ours when their parent ends (Linux ``PR_SET_CHILD_SUBREAPER``)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _child(info: bytes) -> int | None:
    try:
        return int(json.loads(info)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return None


def _counted(used: struct_rusage) -> Used:
    return Used(round(used.ru_utime + used.ru_stime, 3), used.ru_maxrss * 1024)
