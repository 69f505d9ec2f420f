"""What an edge keeps from cycle to cycle, so that its next cycle goes on where the last one that counted ended.

::

    kept/<experiment>/<id of the edge's update>/<name>

A command names the update of this edge that was the last to count (``RunCycle.follows``). What belongs to another one,
which came too late or was left out, is not gone on from. Nothing of it ever leaves the edge.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

from bus.events.base import ExperimentId, MessageId, PrincipalId
from bus.events.cycles import CycleKind
from edge_daemon.domain.jobs import Job, update_id

_UNUSED_S: Final = 30 * 24 * 3600.0
"""An edge does not hear of an experiment's end. What no command has named for so long is thrown away."""


class Kept:
    """Files of one edge.

    Args:
        folder: Where they lie.
        edge: Whose.
    """

    def __init__(self, folder: Path, edge: PrincipalId) -> None:
        self._folder = folder
        self._edge = edge

    def read(self, job: Job, name: str) -> Path | None:
        """What was kept under ``name`` when the update was made that ``job`` follows; ``None`` if nothing was."""
        follows = job.command.follows
        if follows is None:
            return None
        # A fork goes on from an update of its parent.
        places = [self._place(job.command.experiment, follows), *sorted(self._folder.glob(f"*/{follows}"))]
        return next((place / name for place in places if (place / name).is_file()), None)

    def keep(self, job: Job, file: Path) -> None:
        """Take over ``file``, under its name, as what belongs to the update that ``job`` will make."""
        place = self._place(job.command.experiment, update_id(job.command, self._edge))
        for folder in (self._folder, place.parent, place):
            folder.mkdir(exist_ok=True, mode=0o700)
        with file.open("rb") as content:
            os.fsync(content.fileno())
        file.replace(place / file.name)
        _sync(place)

    def settle(self, job: Job) -> None:
        """Throw away what no command can name any more, now that ``job`` is over.

        Only training names anything: what is there after an evaluation is what a resumed experiment, or a fork, goes
        on from.
        """
        command = job.command
        if command.cycle.kind is not CycleKind.TRAIN:
            return
        needed = {command.follows, update_id(command, self._edge)}
        for place in self._of(command.experiment):
            if place.name not in needed:
                shutil.rmtree(place, ignore_errors=True)

    def forget(self, experiment: ExperimentId) -> None:
        """Throw away everything of an experiment."""
        shutil.rmtree(self._folder / experiment, ignore_errors=True)

    def sweep(self) -> None:
        """Throw away what has not been used for long."""
        for folder in self._folder.glob("*"):
            newest = max((path.stat().st_mtime for path in [folder, *folder.rglob("*")]), default=0.0)
            if time.time() - newest > _UNUSED_S:
                shutil.rmtree(folder, ignore_errors=True)

    def _place(self, experiment: ExperimentId, update: MessageId) -> Path:
        return self._folder / experiment / update

    def _of(self, experiment: ExperimentId) -> list[Path]:
        return sorted((self._folder / experiment).glob("*"))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
