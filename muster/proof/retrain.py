"""Proves a run at its source: does every job of the edges again, beside the data, and compares with what they said.

``replay`` shows that the models follow from the updates; this shows that the updates follow from the data. The command
of a job follows from the log, its inputs are those that the log names, and it is done by the edge daemon's own code in
a process of its own (``muster.bench``).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final

import msgpack

from bus.errors import MusterError, NotFound
from bus.events.base import DatasetId, Digest, MessageId
from bus.events.cycles import RunCycle
from bus.events.experiments import Failure
from bus.events.weights import Encoding, Score, SealedObject
from bus.weights import encoded
from edge_daemon.domain.jobs import task
from edge_daemon.domain.retraining import Answer, Question
from ingest.domain.profile import DatasetProfile
from muster.bench import Bench
from muster.federation.layout import Layout
from muster.proof.recorded import Recorded
from muster.proof.tensors import Difference, first_difference

Open = Callable[[SealedObject, SealedObject | None, Path], Awaitable[None]]
"""Writes weights to a file; an encoded update is decoded, for which the model is needed that it was trained from."""

_MACHINE: Final = "infra"
"""Category of failures that say nothing about the work."""


@dataclass(frozen=True)
class Retrained:
    """What came of doing one job again.

    Attributes:
        cycle: Which cycle, e.g. ``3-train-1``.
        edge: Whose job.
        recorded: Digest of the weights in the log; of the scores, for an evaluation.
        found: Digest as found now; ``None`` if the job could not be done again.
        same_environment: Whether interpreter, platform and packages are those of the record.
        differs: Which of ``weights``, ``examples`` and ``scores`` differ.
        tensor: The first tensor that differs.
        note: Why no tensor can be named.
        reason: Why the job could not be done again.
        failed: Whether that was the work itself, which began and did not come to its end.
    """

    cycle: str
    edge: str
    recorded: Digest
    same_environment: bool
    found: Digest | None = None
    differs: tuple[str, ...] = ()
    tensor: Difference | None = None
    note: str | None = None
    reason: str | None = None
    failed: bool = False

    @property
    def equal(self) -> bool:
        """Whether all that was said came out again."""
        return self.found is not None and self.reason is None and not self.differs


@dataclass(frozen=True)
class Report:
    """What came of doing all jobs again.

    Attributes:
        results: By cycle and edge.
        absent: Edge -> why nothing could be tried; their jobs are not among the results.
        updates: How many sealed updates there are in all.
    """

    results: Sequence[Retrained]
    absent: Mapping[str, str]
    updates: int

    @property
    def different(self) -> list[Retrained]:
        """The jobs that came out otherwise."""
        return [result for result in self.results if result.differs]

    @property
    def impossible(self) -> list[Retrained]:
        """The jobs that could not be done again."""
        return [result for result in self.results if result.reason is not None]

    @property
    def first(self) -> Retrained | None:
        """The first difference; one in the same environment, if there is any, since only that is unexplained."""
        return next((r for r in self.different if r.same_environment), next(iter(self.different), None))

    @property
    def equal(self) -> int:
        """How many came out as they were recorded."""
        return sum(result.equal for result in self.results)


class Site:
    """One edge, whose jobs are done again.

    Args:
        bench: Does them.
        open_update: Opens recorded updates; ``None`` if nobody here can.
    """

    def __init__(self, bench: Bench, open_update: Open | None) -> None:
        self._bench = bench
        self._open = open_update

    async def again(self, job: Recorded) -> Retrained:
        """Do one job again, and compare."""
        update = job.update
        result = Retrained(
            cycle=str(update.cycle),
            edge=job.edge,
            recorded=_scores(update.scores) if update.weights is None else update.weights.digest,
            same_environment=update.environment == self._bench.environment,
        )
        try:
            return await self._again(job, result)
        except MusterError as error:
            return replace(result, reason=error.message)

    async def _again(self, job: Recorded, result: Retrained) -> Retrained:
        reason = await self._moved(job)
        if reason is not None:
            return replace(result, reason=reason)
        answer = await self._bench.ask(Question(command=_as_it_was(job)))
        if answer.outcome is None:
            return replace(result, reason=answer.problem or "the edge's site gave neither a result nor a reason")
        failure = answer.outcome.failure
        if failure is not None:
            return replace(result, reason=_why(failure, job), failed=failure.category != _MACHINE)
        reason = began_apart(job.update.follows, answer.outcome.follows)
        if reason is not None:
            return replace(result, reason=reason)
        result = await self._compared(result, job, answer)
        # Rows that were ingested meanwhile may have been the ones that were used.
        reason = await self._moved(job) if result.differs else None
        return result if reason is None else replace(result, found=None, differs=(), tensor=None, reason=reason)

    async def _moved(self, job: Recorded) -> str | None:
        """Why the job cannot be done on what it was done on; ``None`` if it can."""
        command, data = job.command, job.data
        if command is not None and not task(command.cycle.kind).needs_data:
            return None
        if command is None or data is None:
            return job.problem or "the log does not say what the edge was told, and on which data"
        digest = await held(self._bench, data.dataset)
        if digest == data.digest:
            return None
        return (
            f"the dataset {data.dataset!r} was ingested anew since: the edge worked on {data.digest[:19]}..., its "
            f"store holds {digest[:19]}..."
        )

    async def _compared(self, result: Retrained, job: Recorded, answer: Answer) -> Retrained:
        assert answer.outcome is not None
        update, model = job.update, None if job.command is None else job.command.model
        outcome, weights = answer.outcome, update.weights
        pairs = {
            "weights": (weights and weights.digest, answer.digest),
            "examples": (update.examples, outcome.examples),
            "scores": ((update.scores, update.tallies), (outcome.scores, outcome.tallies)),
        }
        differs = tuple(name for name, (one, other) in pairs.items() if one != other)
        result = replace(result, found=answer.digest or _scores(outcome.scores), differs=differs)
        if "weights" not in differs or weights is None or answer.weights is None:
            return result
        if self._open is None:
            return replace(result, note="only the aggregator can open the recorded update, and its keys are not here")
        with tempfile.TemporaryDirectory(prefix="muster-retrain-") as folder:
            path, found = Path(folder) / "recorded.safetensors", answer.weights
            try:
                await self._open(weights, model, path)
                if outcome.encoded is not None and model is not None:
                    found = await self._decoded(outcome.encoded.encoding, model, answer.weights, Path(folder))
            except MusterError as error:
                return replace(result, note=f"the recorded update cannot be opened: {error.message}")
            return replace(result, tensor=await asyncio.to_thread(first_difference, path, found))

    async def _decoded(self, encoding: Encoding, model: SealedObject, frames: Path, folder: Path) -> Path:
        """A file with the weights that ``frames`` stand for."""
        assert self._open is not None
        begun, found = folder / "model.safetensors", folder / "found.safetensors"
        await self._open(model, None, begun)
        await asyncio.to_thread(encoded.decode_file, frames, begun, encoding, found)
        return found


async def held(bench: Bench, dataset: DatasetId) -> Digest:
    """Digest of the dataset as the edge's store describes it.

    Raises:
        NotFound: The store, or the dataset in it, is not here.
    """
    answer = await bench.ask(Question(dataset=dataset))
    if answer.profile is None:
        # A store that is away looks like one that was never filled.
        known = answer.problem if answer.code not in {None, "data.missing"} else None
        why = known or f"its data store is not here, or holds no dataset {dataset!r}"
        raise NotFound(why, code="retrain.data")
    return DatasetProfile.model_validate_json(answer.profile).digest


async def retrain(
    jobs: Sequence[Recorded],
    layout: Layout,
    open_update: Open | None,
    *,
    meet: Callable[[str, str], None],
    tell: Callable[[Retrained], None],
) -> Report:
    """Do jobs again, cycle by cycle; the edges of a cycle side by side.

    Args:
        jobs: What the log says about them, by cycle and edge.
        layout: Where the edges' settings, keys and data are.
        open_update: Opens recorded updates; ``None`` if nobody here can.
        meet: Told of each edge, and in which environment its jobs are done again or why they are not.
        tell: Told of each job as it is done.
    """
    results: list[Retrained] = []
    absent: dict[str, str] = {}
    sites: dict[str, Site] = {}
    at_once = asyncio.Semaphore(os.cpu_count() or 1)

    async def again(job: Recorded) -> Retrained:
        async with at_once:
            result = await sites[job.edge].again(job)
        tell(result)
        return result

    async with AsyncExitStack() as stack:
        by_edge = {edge: [job for job in jobs if job.edge == edge] for edge in sorted({job.edge for job in jobs})}
        opened = (_opened(stack, layout, edge, own) for edge, own in by_edge.items())
        for (edge, own), found in zip(by_edge.items(), await asyncio.gather(*opened), strict=True):
            if isinstance(found, MusterError):
                absent[edge] = found.message
                meet(edge, f"not retrained: {found.message}")
            else:
                sites[edge] = Site(found, open_update)
                meet(edge, _surroundings(found, own))
        for _, together in groupby(jobs, key=lambda job: job.place):
            results += await asyncio.gather(*(again(job) for job in together if job.edge in sites))
    return Report(results, absent, len(jobs))


async def _opened(stack: AsyncExitStack, layout: Layout, edge: str, jobs: Sequence[Recorded]) -> Bench | MusterError:
    """The site of an edge, if its settings, keys and data are here; else why they are not."""
    try:
        bench = await stack.enter_async_context(Bench.opened(layout, edge))
        for dataset in {job.data.dataset for job in jobs if job.data is not None}:
            await held(bench, dataset)
    except MusterError as error:
        return error
    return bench


def _surroundings(bench: Bench, jobs: Sequence[Recorded]) -> str:
    other = sum(job.update.environment != bench.environment for job in jobs)
    if not other:
        return f"same environment as recorded ({bench.environment[:19]}...)"
    which = "all" if other == len(jobs) else f"{other} of {len(jobs)}"
    return (
        f"another environment ({bench.environment[:19]}...) than the one recorded for {which} of its updates: a "
        "difference there may come from that"
    )


def _as_it_was(job: Recorded) -> RunCycle | None:
    """The job's command; an edge that had lost what it kept goes on from nothing again."""
    if job.command is None or job.update.follows is not None:
        return job.command
    return job.command.model_copy(update={"follows": None})


def _why(failure: Failure, job: Recorded) -> str:
    """Why a job failed; an input that is gone is called by its name."""
    assert job.command is not None
    inputs = {
        "the model file": job.command.code,
        "the vendor's weights": job.command.pretrained,
        "the weights that it began with": job.command.model,
    }
    for name, sealed in inputs.items():
        if sealed is not None and sealed.address in failure.message:
            return f"{name} cannot be had any more: {failure.message}"
    return f"the worker failed: {failure.message}"


def began_apart(then: MessageId | None, now: MessageId | None) -> str | None:
    """Why a job cannot be compared: what the edge had kept when it did it is not here.

    Args:
        then: The update that it went on from, as the log says; ``None`` for none.
        now: The same of the job that was done again, which is given nothing where the edge had nothing.
    """
    if then == now:
        return None
    return (
        "the edge went on from what it had kept of an earlier update, which was not done again here: it is one of the "
        "experiment from which this one was forked, or could not be done"
    )


def _scores(scores: Sequence[Score]) -> Digest:
    packed: bytes = msgpack.packb([score.model_dump() for score in scores])
    return Digest(f"sha256:{hashlib.sha256(packed).hexdigest()}")
