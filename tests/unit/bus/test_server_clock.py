"""The server's time goes on from what it told last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bus.jetstream.clock import ServerClock

SOON = timedelta(seconds=30)


def test_it_goes_on_from_what_was_told() -> None:
    clock = ServerClock()
    clock.note("2020-02-29T12:00:00.123456789Z")
    told = datetime(2020, 2, 29, 12, 0, 0, 123456, UTC)
    assert told <= clock.now() < told + SOON
    clock.note("2031-01-01T00:00:00+01:00")
    assert clock.now() >= datetime(2030, 12, 31, 23, tzinfo=UTC)


def test_what_cannot_be_read_is_passed_over() -> None:
    clock = ServerClock()
    clock.note(None)
    clock.note("noon")
    assert abs(clock.now() - datetime.now(UTC)) < SOON
