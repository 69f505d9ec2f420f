"""NATS JetStream behind the ports: the one place that speaks to a NATS server.

From the socket up it is ours (``docs/decisions/0004`` and ``0027``): ``inflow`` and ``wire`` are the protocol on one
connection, ``session`` its requests, ``connection`` the one way to recover: a session that is over is replaced by a new
one. ``log``, ``inbox`` and ``blobs`` are the ports.
"""

from bus.jetstream.broker import JetStreamBroker
from bus.jetstream.connection import Endpoint

__all__ = ["Endpoint", "JetStreamBroker"]
