"""Where the SDK shows progress: the terminal or the notebook of whoever calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from bus.wire.record import Record
from muster.telling.display import Display, show_check
from muster.telling.follow import View
from training.contract.report import Step

TellEvent = Callable[[View, Record | None], None]
TellCheck = Callable[[Step], None]


def checks(*, progress: bool) -> TellCheck:
    """Shows each check of a model as it is over; nothing without ``progress``."""
    console = _console(progress=progress)
    return lambda step: show_check(console, step)


@contextmanager
def events(*, progress: bool) -> Iterator[TellEvent]:
    """Shows an experiment as it runs; nothing without ``progress``."""
    with Display(_console(progress=progress)).shown() as display:
        yield display.tell


def _console(*, progress: bool) -> Console:
    return Console(stderr=True, highlight=False, quiet=not progress)
