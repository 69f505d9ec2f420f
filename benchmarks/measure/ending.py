"""A case that is told to end, or whose campaign died, leaves no process and no folder behind."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

_PARENT_DEATH: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


def ask_when_parent_dies() -> None:
    """Have this process told to end when its parent dies (prctl(2), PR_SET_PDEATHSIG); runs between fork and exec."""
    _libc.prctl(_PARENT_DEATH, signal.SIGTERM)


def tidy_on_request() -> None:
    """Treat a request to end as an interruption from the keyboard, which unwinds what was begun."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
