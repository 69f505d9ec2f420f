"""Where jobs are done: fetch what is needed, run the worker, check what it wrote.

::

    jobs/<command id>/inputs/     config.yaml, model.py, weights.safetensors, state.safetensors, data/
    jobs/<command id>/output/     what the worker wrote
    jobs/<command id>/kept/       what the edge keeps of it for its next cycle; never leaves
    jobs/<command id>/worker.log  what it printed; never leaves
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from bus.errors import Invalid
from bus.events.base import ExperimentId
from bus.events.cycles import CycleKind
from bus.events.tallies import Tally
from bus.events.weights import Encoded, Resources, Score
from bus.identity.keys import Identity
from bus.ports import Blobs
from edge_daemon.disk import Disk
from edge_daemon.domain.jobs import Job, Outcome, failed, keeps, task
from edge_daemon.encoding import RESIDUAL, Files, encode_update, layout_of
from edge_daemon.environment import environment
from edge_daemon.inputs import Inputs, empty
from edge_daemon.kept import Kept
from edge_daemon.settings import EdgeSettings
from edge_daemon.threads import to_its_end
from training.dataset import Index
from training.errors import Phase, TrainingError, during, egress_error
from training.weights import check_weights
from training.worker.config import STATE, WEIGHTS, Task
from training.worker.process import Assignment
from training.worker.result import Result, read_result
from training.worker.sandbox import Isolation
from training.worker.supervise import Ended, Run, Tell, Usage, run_worker

_NOTHING: Final = Usage(0.0, 0.0, 0)


class Workshop:
    """Does jobs, one directory each.

    Args:
        settings: Of the edge.
        blobs: Where model files and weights come from.
        identity: Opens what is sealed for this edge.
        isolation: What keeps workers in.
        run: Runs one; benchmarks have one that is no process.
    """

    def __init__(
        self, settings: EdgeSettings, blobs: Blobs, identity: Identity, isolation: Isolation, run: Run = run_worker
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._isolation = isolation
        self._run_worker = run
        self._environment = environment()
        self.kept = Kept(settings.data / "kept", identity.principal)
        """What was kept of earlier cycles."""
        self._inputs = Inputs(settings, blobs, identity, self.kept)

    def folder(self, job: Job) -> Path:
        """The job's directory."""
        return self._settings.data / "jobs" / job.id

    def weights(self, job: Job) -> Path:
        """The weights that the job's worker wrote."""
        return self.folder(job) / "output" / WEIGHTS

    def keep(self, job: Job) -> None:
        """Take over what is to be kept of a job that was worked on. Comes before anybody is told of it.

        Raises:
            Unavailable: The disk is full.
        """
        with Disk(self._settings.data).translated():
            for file in sorted((self.folder(job) / "kept").glob("*")):
                self.kept.keep(job, file)

    def settle(self, job: Job) -> None:
        """Throw away what was kept before and is not needed any more, now that it was told what came of a job."""
        self.kept.settle(job)

    def leave(self, experiment: ExperimentId) -> None:
        """Throw away what was kept for an experiment that is over."""
        self.kept.forget(experiment)

    async def forget(self, job: Job) -> None:
        """Remove everything of a job from the disk."""
        # Removing a directory can wait for the disk's journal, which nobody else here shall do.
        await asyncio.to_thread(shutil.rmtree, self.folder(job), ignore_errors=True)

    async def do(self, job: Job, tell: Tell) -> Outcome:
        """Do a job from the start; what was left of an earlier try is thrown away.

        Raises:
            Unavailable: What it needs cannot be fetched at present, or the disk is full.
        """
        disk = Disk(self._settings.data)
        disk.require()
        with disk.translated():
            async with disk.watched():
                outcome = await self._attempt(job, tell)
        if outcome.failure is not None and disk.was_full:
            # Whatever the worker makes of a write that failed, it says nothing about the model.
            raise disk.error()
        return outcome

    async def _attempt(self, job: Job, tell: Tell) -> Outcome:
        usage = _NOTHING
        try:
            await self.forget(job)
            folder = self.folder(job)
            (folder / "inputs").mkdir(parents=True, mode=0o700)
            (folder / "output").mkdir()
            index = await self._inputs.fill(job, folder / "inputs")
            ended = await self._run(job, tell)
            usage = ended.usage
            if ended.error is not None:
                raise ended.error
            with during(Phase.CHECK):
                result, encoded, added = await to_its_end(lambda _: self._taken(job, index))
            went_on = added or (self.folder(job) / "inputs" / STATE).is_file()
        except TrainingError as error:
            return failed(error, _resources(usage), self._environment, self._identity.principal)
        finally:
            # The rows must not lie about longer than they are needed.
            await asyncio.to_thread(empty, self.folder(job) / "inputs")
        return Outcome(
            resources=_resources(usage),
            environment=self._environment,
            examples=result.examples,
            scores=tuple(Score(**score.model_dump()) for score in result.scores),
            tallies=tuple(Tally.model_validate(tally.model_dump()) for tally in result.tallies),
            has_weights=result.weights is not None,
            encoded=encoded,
            follows=job.command.follows if went_on else None,
        )

    def refuse(self, error: TrainingError) -> Outcome:
        """The outcome of a job that is not even begun."""
        return failed(error, _resources(_NOTHING), self._environment, self._identity.principal)

    async def _run(self, job: Job, tell: Tell) -> Ended:
        folder, wanted = self.folder(job), task(job.command.cycle.kind)
        limits = self._inputs.limits(job)
        assignment = Assignment(wanted, folder / "inputs", folder / "output", folder / "worker.log", limits)
        return await self._run_worker(assignment, self._isolation, tell)

    def _taken(self, job: Job, index: Index) -> tuple[Result, Encoded | None, bool]:
        """What the worker wrote, checked and made ready to leave; and whether what was left out before was added."""
        result = self._checked(job, index)
        return result, *self._encoded(job, result)

    def _checked(self, job: Job, index: Index) -> Result:
        wanted = task(job.command.cycle.kind)
        reference = self.folder(job) / "inputs" / WEIGHTS if wanted is Task.TRAIN else None
        split = "test" if wanted is Task.EVALUATE else "train"
        rows = index.rows.get(split, 0) if wanted.needs_data else 1
        output, most = self.folder(job) / "output", self._inputs.limits(job).disk_bytes
        labels = job.command.data.classes
        result = read_result(
            output,
            wanted,
            reference=reference,
            rows=rows,
            max_bytes=most,
            classes=None if labels is None else len(labels),
            scored_rows=max(index.rows.values(), default=0),
        )
        if result.weights is not None:
            try:
                layout_of(result.weights)
            except Invalid as error:
                raise egress_error(error.code, error.message) from error
        if keeps(job):
            check_weights(output / STATE, reference=None, max_bytes=most)
            kept = self.folder(job) / "kept"
            kept.mkdir(exist_ok=True)
            (output / STATE).replace(kept / STATE)
        return result

    def _encoded(self, job: Job, result: Result) -> tuple[Encoded | None, bool]:
        """Make the update smaller, if that is wanted; and whether something that was left out before was added."""
        command, folder = job.command, self.folder(job)
        if result.weights is None or command.encoding.plain or command.cycle.kind is not CycleKind.TRAIN:
            return None, False
        files = Files(
            model=folder / "inputs" / WEIGHTS,
            trained=result.weights,
            left=self.kept.read(job, RESIDUAL),
            output=folder / "output",
            kept=folder / "kept",
        )
        return encode_update(command, files)


def _resources(usage: Usage) -> Resources:
    return Resources(wall_s=usage.wall_s, cpu_s=usage.cpu_s, peak_memory_bytes=usage.peak_memory_bytes)
