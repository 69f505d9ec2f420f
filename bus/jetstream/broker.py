"""A connection to JetStream as one principal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Final

from bus.jetstream.blobs import JetStreamBlobs
from bus.jetstream.connection import Connection, Endpoint, connected
from bus.jetstream.inbox import JetStreamInbox
from bus.jetstream.log import Horizon, JetStreamLog
from bus.ports import BlobStore
from bus.weights.stores import Stores
from bus.wire import topology
from bus.wire.topology import Consumer, StreamName

_NONE: Final[Mapping[str, BlobStore]] = MappingProxyType({})


class JetStreamBroker:
    """See ``bus.ports.Broker``.

    Events and commands have one connection, chunks another: a long transfer never delays a decision.
    """

    def __init__(self, control: Connection, bulk: Connection, stores: Mapping[str, BlobStore] = _NONE) -> None:
        self.control = control
        self._bulk = bulk
        self._stores = stores
        self._horizons: defaultdict[StreamName, Horizon] = defaultdict(Horizon)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, endpoint: Endpoint, *, patient: bool = False, stores: Mapping[str, BlobStore] = _NONE
    ) -> AsyncIterator[JetStreamBroker]:
        """A broker for as long as the block runs.

        Args:
            endpoint: Where and who.
            patient: Wait for a server that is not there yet.
            stores: Stores of sealed chunks beside the broker, by name.

        Raises:
            Unavailable: No server (unless ``patient``).
            Denied: The credential is not accepted (unless ``patient``).
        """
        async with (
            connected(endpoint, "control", patient=patient) as control,
            connected(endpoint, "bulk", patient=patient) as bulk,
        ):
            yield cls(control, bulk, stores)

    def now(self) -> datetime:
        """The server's time, as it was told with the last history that was read."""
        return self.control.clock.now()

    def log(self, stream: StreamName) -> JetStreamLog:
        """A stream."""
        return JetStreamLog(self.control, topology.stream(stream), self._horizons[stream])

    def inbox(self, consumer: Consumer) -> JetStreamInbox:
        """A consumer that exists."""
        return JetStreamInbox(self.control, consumer, self._horizons[consumer.stream])

    def blobs(self) -> Stores:
        """The stores of sealed chunks."""
        home = JetStreamBlobs(self._bulk)
        return Stores(home, self._stores, home.room)
