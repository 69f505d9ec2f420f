"""``python -m edge_daemon --settings FILE``."""

from __future__ import annotations

from bus.runtime.service import main
from edge_daemon.service import build
from edge_daemon.settings import EdgeSettings

if __name__ == "__main__":
    main("edge_daemon", EdgeSettings, build)
