"""What ``muster replay --retrain`` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.markup import escape

from bus.errors import TREATMENT, Configuration, Integrity, MusterError, NotFound, WorkerFailed
from bus.events.weights import SealedObject
from bus.suggestions import did_you_mean
from bus.weights import encoded
from muster.cli.frame import Frame, table
from muster.client import Client
from muster.federation.layout import OPERATOR
from muster.proof.recorded import Recorded, log_of, recorded
from muster.proof.retrain import Open, Report, Retrained, retrain

_AGGREGATOR: Final = "aggregator"


async def work(frame: Frame, experiment: str, edges: Sequence[str]) -> int:
    """Do the jobs of an experiment again, and report; returns the exit status.

    Args:
        frame: Of the command.
        experiment: Its id, or an unambiguous part of it.
        edges: Only these; empty for all.

    Raises:
        NotFound: There is no such experiment, or an edge has no part in it.
    """
    reader = OPERATOR if frame.layout.identity(OPERATOR).is_dir() else None
    async with frame.connect(reader) as client:
        found = await client.experiment(experiment)
        jobs = recorded(await log_of(client), found.id)
    if not jobs:
        raise NotFound(f"experiment {found.id} has no sealed update to retrain yet", code="retrain.nothing")
    chosen = _chosen(jobs, edges)
    async with AsyncExitStack() as stack:
        opener = await _opener(frame, stack)
        report = await retrain(
            chosen,
            frame.layout,
            opener,
            meet=lambda edge, what: frame.out.say(f"{edge}: {escape(what)}"),
            tell=lambda result: frame.out.say(_line(result)),
        )
    return _report(frame, found.id, report, asked=bool(edges))


def _chosen(jobs: Sequence[Recorded], edges: Sequence[str]) -> list[Recorded]:
    known = sorted({job.edge for job in jobs})
    for edge in edges:
        if edge not in known:
            raise NotFound(
                f"the edge {edge!r} sealed no update in this experiment; {did_you_mean(edge, known)}",
                code="retrain.edge",
            )
    return [job for job in jobs if not edges or job.edge in edges]


async def _opener(frame: Frame, stack: AsyncExitStack) -> Open | None:
    """Opens recorded updates, if the aggregator's keys are here."""
    if not frame.layout.identity(_AGGREGATOR).is_dir():
        return None
    aggregator: Client = await stack.enter_async_context(frame.connect(_AGGREGATOR))
    blobs, identity = aggregator.broker.blobs(), aggregator.identity

    async def open_update(sealed: SealedObject, model: SealedObject | None, path: Path) -> None:
        await encoded.download_file(blobs, sealed, identity, model, path)

    return open_update


def _line(result: Retrained) -> str:
    start = f"{result.cycle:<18} {result.edge:<16} "
    if result.reason is not None:
        return start + f"not retrained: {escape(result.reason)}"
    if result.equal:
        return start + f"equal      {result.recorded[:19]}..."
    return start + f"{_verdict(result)}  {escape(_what(result))}"


def _verdict(result: Retrained) -> str:
    return "DIFFERENT" if result.same_environment else "differs, in another environment"


def _what(result: Retrained) -> str:
    """What differs, as exactly as can be said."""
    if result.tensor is not None:
        return str(result.tensor)
    return ", ".join(result.differs) + (f" ({result.note})" if result.note else "")


def status(report: Report, *, asked: bool) -> int:
    """The exit status, by the most serious thing that was found.

    Args:
        report: What was found.
        asked: Whether edges were named, so that one that is not here counts.
    """
    family: type[MusterError] | None = None
    if any(result.same_environment for result in report.different):
        family = Integrity
    elif report.different:
        family = Configuration
    elif any(result.failed for result in report.impossible):
        family = WorkerFailed
    elif report.impossible or not report.results or (asked and report.absent):
        family = NotFound
    return 0 if family is None else TREATMENT[family].exit_code


def _report(frame: Frame, identity: str, report: Report, *, asked: bool) -> int:
    content: dict[str, Any] = {
        "experiment": identity,
        "updates": [{**asdict(result), "equal": result.equal} for result in report.results],
        "absent": dict(report.absent),
        "covered": len(report.results) - len(report.impossible),
        "of": report.updates,
        "equal": not report.different and report.equal > 0,
        "first": None if report.first is None else asdict(report.first),
    }
    shown = table("CYCLE", "EDGE", "RECORDED", "RETRAINED", "ENVIRONMENT")
    for result in report.different:
        environment = "same" if result.same_environment else "another"
        shown.add_row(result.cycle, result.edge, result.recorded, str(result.found), environment)
    frame.out.result(content, *_sentences(report), *([shown] if report.different else []))
    return status(report, asked=asked)


def _sentences(report: Report) -> list[str]:
    done = len(report.results) - len(report.impossible)
    found = [f"retrain: {done} of {report.updates} updates retrained, {_outcome(report)}"]
    first = report.first
    if first is not None:
        found.append(f"first difference: cycle {first.cycle}, edge {first.edge}: {escape(_what(first))}")
        if not first.same_environment:
            found.append(
                "the environment is another one than recorded, which may explain it: run it again with the releases of "
                "Python and packages that the edge had then"
            )
    found += [f"not retrained: {edge}: {escape(why)}" for edge, why in report.absent.items()]
    reasons = Counter((result.edge, result.reason) for result in report.impossible)
    found += [f"not retrained: {count} of {edge}: {escape(why or '')}" for (edge, why), count in reasons.items()]
    return found


def _outcome(report: Report) -> str:
    if not report.different:
        return "all equal" if report.equal else "so nothing is shown"
    same = sum(result.same_environment for result in report.different)
    other = len(report.different) - same
    parts = [f"{same} differ in the same environment"] if same or not other else []
    parts += [f"{other} differ, but in another environment"] if other else []
    return ", ".join(parts)
