"""A network of its own for one case: ports that nobody else has, and a count of its own of the bytes over loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

_MARK: Final = "MUSTER_BENCHMARK_NETWORK"


def enter_own(module: str) -> bool:
    """Start this program (``python -m module``) again in a network namespace of its own, if that can be had.

    Returns:
        Whether the network is our own. Where the system does not allow it (it needs root and ``unshare``), the case
        runs in the network of the machine: fixed ports may be taken, and byte counts hold the traffic of others.
    """
    if not os.environ.get(_MARK) and _possible():
        os.environ[_MARK] = "1"
        inner = 'ip link set lo up && exec "$@"'
        again = (sys.executable, "-m", module, *sys.argv[1:])
        os.execvp("unshare", ("unshare", "--net", "sh", "-c", inner, "sh", *again))
    return bool(os.environ.get(_MARK))


def _possible() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
