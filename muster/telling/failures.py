"""Failures as people and programs want to see them: number, place, phase, trace, and whose move it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bus.events import Body
from bus.events.cycles import CycleAbandoned, CycleClosed
from bus.events.experiments import Failure
from muster.errors.catalogue import of_failure
from training.worker.config import MODEL

_SHORT: Final = 3
"""Frames of a trace that a line has room for: the last ones are nearest to the reason."""


def phase(failure: Failure) -> str | None:
    """How far the work had come; ``None`` if nobody can tell."""
    return None if failure.phase is None else failure.phase.value


def told(failure: Failure) -> str:
    """What failed, with its number, where and when: one line."""
    entry = of_failure(failure.category, failure.code)
    where = f" at {failure.edge}" if failure.edge else ""
    reached = phase(failure)
    when = f", phase {reached}" if reached else ""
    return f"{failure.message.rstrip('.')} ({entry.label} {failure.code}{where}{when})"


def trace(failure: Failure) -> str:
    """The end of its trace in one line, the innermost frame first; empty if it has none."""
    if not failure.trace:
        return ""
    *frames, kind = failure.trace
    shown = frames[-_SHORT:]
    # The vendor wants to see the own file above all, however deep in a library the end is.
    if own := [frame for frame in frames[:-_SHORT] if frame.startswith(f"{MODEL}:")]:
        shown = shown if any(frame.startswith(f"{MODEL}:") for frame in shown) else [own[-1], *shown[1:]]
    return ", from ".join((kind, *reversed(shown)))


def step(failure: Failure) -> str:
    """Whose move it is, and which: a clause."""
    entry = of_failure(failure.category, failure.code)
    return f"next step, for the {entry.who}: {entry.step}"


def line(failure: Failure) -> str:
    """All of it, for a line of a log."""
    parts = (told(failure), trace(failure), step(failure))
    return "; ".join(part for part in parts if part)


def facts(failure: Failure) -> dict[str, Any]:
    """All of it, for JSON."""
    entry = of_failure(failure.category, failure.code)
    known = {**failure.model_dump(mode="json"), "phase": phase(failure)}
    return {**known, "number": entry.label, "meaning": entry.meaning, "who": entry.who.value, "step": entry.step}


def within(body: Body) -> Iterator[Failure]:
    """The failures that an event tells of."""
    failure = getattr(body, "failure", None)
    if isinstance(failure, Failure):
        yield failure
    if isinstance(body, CycleClosed | CycleAbandoned):
        for left in body.left_out:
            yield left.failure
