"""Small file systems that can really be filled: writes then meet the system's own 'no space left on device'."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MIB = 1024 * 1024
_CLONE_NEWNS = 0x00020000


@cache
def can_mount() -> bool:
    """Have this process, and all that it starts, see mounts of its own, which go when the last of them has ended.

    Returns:
        Whether that is allowed here. To be asked before there are threads that shall see them.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], check=False).returncode == 0


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own at ``folder``."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    @property
    def free(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        """Leave not one byte."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size_bytes: int = 64 * MIB) -> Iterator[SmallDisk]:
    """A ``tmpfs`` at ``folder``, which is made if missing; it is gone when the block, or this process, ends."""
    if not can_mount():
        raise OSError("this process may not mount a file system: run it as root")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: a process that was killed a moment ago may still be on its way out.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
