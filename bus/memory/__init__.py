"""A broker in this process: for tests, for simulation, and for users' own tests. Part of the public API.

Behaves like the JetStream adapter in everything that the ports promise, without durability and without
permissions. Time is the running event loop's, so a loop with virtual time makes deliveries virtual too.
"""

from bus.memory.broker import MemoryBroker

__all__ = ["MemoryBroker"]
