"""A broker under test, and the way to make consumers at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bus.ports import Broker
from bus.wire.topology import Consumer


@dataclass
class Rig:
    broker: Broker
    provide: Callable[[Consumer], Awaitable[None]]
