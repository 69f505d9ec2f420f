"""Makes the server's streams and consumers what ``bus.wire.topology`` says; safe to repeat."""

from __future__ import annotations

from typing import Any, Final

from bus.errors import NotFound
from bus.jetstream import api
from bus.jetstream.connection import Connection
from bus.wire.topology import STREAMS, Consumer, Stream

_NS: Final = 1_000_000_000
_MAX_CONSUMERS: Final = 100_000


async def provide_streams(connection: Connection, *, disk_bytes: int, replicas: int = 1) -> None:
    """Create every stream, or bring it up to date.

    Args:
        connection: Of a principal that may use the whole JetStream API.
        disk_bytes: The server's disk budget, shared out among the streams.
        replicas: Copies of what is replicated.

    Raises:
        Invalid: The server refuses a setting, for instance one that cannot be changed any more.
    """
    for spec in STREAMS:
        config = stream_config(spec, disk_bytes=disk_bytes, replicas=replicas)
        try:
            await api.call(connection, f"STREAM.INFO.{spec.name}")
        except NotFound:
            await api.call(connection, f"STREAM.CREATE.{spec.name}", config)
        else:
            await api.call(connection, f"STREAM.UPDATE.{spec.name}", config)


async def provide_consumer(connection: Connection, spec: Consumer) -> None:
    """Create a durable consumer, or bring it up to date."""
    content = {"stream_name": spec.stream, "config": consumer_config(spec)}
    await api.call(connection, f"CONSUMER.CREATE.{spec.stream}.{spec.name}.{spec.filter}", content)


def stream_config(spec: Stream, *, disk_bytes: int, replicas: int) -> dict[str, Any]:
    """``spec`` in the server's words."""
    config: dict[str, Any] = {
        "name": spec.name,
        "subjects": list(spec.subjects),
        "retention": "limits",
        "storage": "file",
        "num_replicas": replicas if spec.copies else 1,
        "max_msg_size": spec.max_message_bytes,
        "max_age": int((spec.max_age_s or 0) * _NS),
        "max_bytes": int(disk_bytes * spec.share_of_disk),
        "max_consumers": _MAX_CONSUMERS,
        "max_msgs_per_subject": 1 if spec.write_once or spec.last_only else -1,
        "discard": "new" if spec.write_once else "old",
        "discard_new_per_subject": spec.write_once,
        "deny_delete": spec.permanent,
        "deny_purge": spec.permanent,
        "allow_direct": True,
        "allow_atomic": spec.synced,
    }
    if not spec.synced and config["num_replicas"] == 1:
        # The server then acknowledges before it has written anything, even where everything else is synced.
        config["persist_mode"] = "async"
    return config


def consumer_config(spec: Consumer) -> dict[str, Any]:
    """``spec`` in the server's words."""
    return {
        "durable_name": spec.name,
        "name": spec.name,
        "filter_subject": spec.filter,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(spec.ack_wait_s * _NS),
        "max_deliver": -1,
        "max_ack_pending": spec.max_ack_pending,
        "replay_policy": "instant",
    }
