"""What a process does with memory that it has freed."""

from __future__ import annotations

import ctypes
from typing import Final

# From glibc's malloc.h.
_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_MIB: Final = 1024 * 1024


def keep_freed() -> None:
    """Keep a few megabytes of freed memory for the next chunks, where the C library is glibc; nothing elsewhere.

    By default glibc gives blocks of a chunk's size back to the kernel as they are freed, and takes new ones, which the
    kernel has to fill with zeros page by page: a sixth of the CPU time of whoever moves weights.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_ARENA_MAX, 1)
    mallopt(_MMAP_THRESHOLD, 8 * _MIB)
    mallopt(_TRIM_THRESHOLD, 32 * _MIB)
    mallopt(_TOP_PAD, 1 * _MIB)
