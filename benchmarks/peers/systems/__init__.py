"""How each of the others is started for one case, and which of its processes belong to whom.

``base`` is what they share. Another system is another module with a class in ``KNOWN``, and a program in ``apps``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.peers.systems.base import System
from benchmarks.peers.systems.flower import Flower
from benchmarks.peers.systems.nvflare import NVFlare
from benchmarks.peers.systems.sockets import Sockets

KNOWN: Final[Mapping[str, type[System]]] = {"sockets": Sockets, "nvflare": NVFlare, "flower": Flower}
