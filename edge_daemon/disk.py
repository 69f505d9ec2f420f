"""A disk that is full: told in words, waited for, and never taken for a fault of the vendor's."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bus.errors import Unavailable
from bus.wire.topology import MIB

CODE: Final = "edge.disk"
LEAST_BYTES: Final = 4 * MIB
"""A disk with less than this left counts as full: a job's smallest files would not fit for certain."""
_LOOK_S: Final = 0.25


@dataclass
class Disk:
    """The disk of a folder, watched while work is done there.

    Attributes:
        folder: Which.
        was_full: Whether it was seen full since the watch began: space may be back before a failure is looked at.
    """

    folder: Path
    was_full: bool = False

    @property
    def is_full(self) -> bool:
        """Whether it is full now."""
        return shutil.disk_usage(self.folder).free < LEAST_BYTES

    def require(self) -> None:
        """Do nothing, if there is room.

        Raises:
            Unavailable: There is none.
        """
        if self.is_full:
            raise self.error()

    def error(self) -> Unavailable:
        """What to say of it when it was full."""
        free = shutil.disk_usage(self.folder).free
        return Unavailable(
            f"no space left on the disk of {self.folder}: {free} bytes are free now, at least {LEAST_BYTES} are "
            "needed; delete something there or enlarge it, and the work goes on by itself",
            code=CODE,
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the system that say 'full' as ours.

        Raises:
            Unavailable: There was no room.
        """
        try:
            yield
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise self.error() from error

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look at it now and then, for as long as the block runs."""
        self.was_full = self.is_full
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self.was_full = self.was_full or self.is_full

    async def _watch(self) -> None:
        while not self.was_full:
            await asyncio.sleep(_LOOK_S)
            self.was_full = self.is_full
