"""NATS JetStream behind the ports: the one place that imports ``nats``.

Of nats-py it uses the bare client only: connect, publish, subscribe. Requests, pulling, recovery and the
JetStream API are done here, because the library's own versions lose messages' outcomes, stall or die silently
under failure (``docs/decisions/0004``). There is one way to recover: a session that is over is replaced by a
new one.
"""

from bus.jetstream.broker import JetStreamBroker
from bus.jetstream.connection import Endpoint

__all__ = ["Endpoint", "JetStreamBroker"]
