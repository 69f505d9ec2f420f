"""Where jobs are done: fetch what is needed, run the worker, check what it wrote.

::

    jobs/<command id>/inputs/     config.yaml, model.py, weights.safetensors, state.safetensors, data/
    jobs/<command id>/output/     what the worker wrote
    jobs/<command id>/kept/       what the edge keeps of it for its next cycle; never leaves
    jobs/<command id>/worker.log  what it printed; never leaves
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import shutil
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from bus.errors import Invalid, MusterError
from bus.events import encodings
from bus.events.base import Digest, ExperimentId
from bus.events.cycles import CycleKind
from bus.events.weights import Encoded, Resources, Score
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import incoming, references
from bus.weights.stores import choose
from edge_daemon.codes import Codes
from edge_daemon.disk import Disk
from edge_daemon.domain.jobs import Job, Outcome, failed, keeps, task
from edge_daemon.encoding import RESIDUAL, Files, encode_update, layout_of
from edge_daemon.export import export
from edge_daemon.kept import Kept
from edge_daemon.outbox import AGGREGATOR
from edge_daemon.settings import EdgeSettings
from edge_daemon.threads import Wanted, to_its_end
from training.dataset import Index
from training.errors import Category, Phase, TrainingError, during, egress_error
from training.plan import Limits, Strategy, Training
from training.preprocessing.preparation import Preparation
from training.weights import check_weights
from training.worker.config import MODEL, PRETRAINED, STATE, WEIGHTS, Config, Task
from training.worker.process import Assignment
from training.worker.result import Result, read_result
from training.worker.sandbox import Isolation
from training.worker.supervise import Ended, Run, Tell, Usage, run_worker

_NOTHING: Final = Usage(0.0, 0.0, 0)
_PACKAGES: Final = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "tensorflow-cpu",
    "tensorflow",
    "keras",
    "safetensors",
    "zstandard",
)


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
        self._blobs = blobs
        self._identity = identity
        self._isolation = isolation
        self._run_worker = run
        self._codes = Codes(blobs, identity)
        self._environment = environment()
        self.kept = Kept(settings.data / "kept", identity.principal)
        """What was kept of earlier cycles."""

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
            index = await self._prepare(job)
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
            await asyncio.to_thread(_empty, self.folder(job) / "inputs")
        return Outcome(
            resources=_resources(usage),
            environment=self._environment,
            examples=result.examples,
            scores=tuple(Score(**score.model_dump()) for score in result.scores),
            has_weights=result.weights is not None,
            encoded=encoded,
            follows=job.command.follows if went_on else None,
        )

    def refuse(self, error: TrainingError) -> Outcome:
        """The outcome of a job that is not even begun."""
        return failed(error, _resources(_NOTHING), self._environment, self._identity.principal)

    async def _prepare(self, job: Job) -> Index:
        """Fill the job's inputs."""
        command = job.command
        await self.forget(job)
        inputs = self.folder(job) / "inputs"
        inputs.mkdir(parents=True, mode=0o700)
        (self.folder(job) / "output").mkdir()
        try:
            # Better now than after the training.
            self._blobs.at(choose(command.store, 0, None))
            encodings.check(command.encoding, strategy="")
            references.require_place(command.code, owner=command.owner)
            if command.model is not None:
                references.require_place(command.model, owner=command.owner, actor=AGGREGATOR)
            if command.pretrained is not None:
                references.require_place(command.pretrained, owner=command.owner)
            await self._codes.write(command.code, inputs / MODEL)
            if command.pretrained is not None:
                await incoming.download_file(self._blobs, command.pretrained, self._identity, inputs / PRETRAINED)
            if command.model is not None:
                await incoming.download_file(self._blobs, command.model, self._identity, inputs / WEIGHTS)
        except MusterError as error:
            if error.retryable:
                raise
            raise TrainingError(Category.INFRA, error.code, error.message, phase=Phase.FETCH) from error
        return await to_its_end(lambda wanted: self._lay_out(job, inputs, wanted))

    def _lay_out(self, job: Job, inputs: Path, wanted_still: Wanted) -> Index:
        """Put among the inputs what need not be fetched: the rows, what was kept, and what the worker is told."""
        command, wanted = job.command, task(job.command.cycle.kind)
        data = command.data
        prepared = Preparation.told(data.features, data.preparation, data.derived)
        index = Index(rows={}, columns=())
        if wanted.needs_data:
            with during(Phase.EXPORT):
                index = export(self._settings.store_url, data, inputs / "data", wanted_still)
        Config(
            category=data.category,
            framework=command.framework,
            features=data.features,
            target=data.target,
            classes=data.classes,
            preparation=None if prepared.is_plain else prepared,
            seed=command.seed,
            cycle=command.cycle.number,
            training=Training.model_validate_json(command.training),
            strategy=command.strategy and Strategy.model_validate(command.strategy.model_dump()),
            limits=self._limits(job),
            pretrained=Path(PRETRAINED) if command.pretrained is not None else None,
            weights=Path(WEIGHTS) if command.model is not None else None,
            state=self._gone_on_from(job, inputs),
            dataset=Path("data") if wanted.needs_data else None,
        ).write(inputs / "config.yaml")
        return index

    def _gone_on_from(self, job: Job, inputs: Path) -> Path | None:
        """Where among the inputs lies what was kept of the update that the job follows, if it is here."""
        kept = self.kept.read(job, STATE) if keeps(job) else None
        if kept is None:
            return None
        shutil.copyfile(kept, inputs / STATE)
        return Path(STATE)

    async def _run(self, job: Job, tell: Tell) -> Ended:
        folder, wanted = self.folder(job), task(job.command.cycle.kind)
        limits = self._limits(job)
        assignment = Assignment(wanted, folder / "inputs", folder / "output", folder / "worker.log", limits)
        return await self._run_worker(assignment, self._isolation, tell)

    def _limits(self, job: Job) -> Limits:
        return self._settings.bounded(Limits.model_validate(job.command.limits.model_dump()))

    def _taken(self, job: Job, index: Index) -> tuple[Result, Encoded | None, bool]:
        """What the worker wrote, checked and made ready to leave; and whether what was left out before was added."""
        result = self._checked(job, index)
        return result, *self._encoded(job, result)

    def _checked(self, job: Job, index: Index) -> Result:
        wanted = task(job.command.cycle.kind)
        reference = self.folder(job) / "inputs" / WEIGHTS if wanted is Task.TRAIN else None
        split = "test" if wanted is Task.EVALUATE else "train"
        rows = index.rows.get(split, 0) if wanted.needs_data else 1
        output, most = self.folder(job) / "output", self._limits(job).disk_bytes
        result = read_result(output, wanted, reference=reference, rows=rows, max_bytes=most)
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


def environment() -> Digest:
    """Digest of what a result may depend on besides its inputs: interpreter, platform, packages."""
    facts = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = ""
    return Digest(f"sha256:{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}")


def _empty(folder: Path) -> None:
    """Remove the files below a folder; the folders themselves can wait."""
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                Path(place, name).unlink()


def _resources(usage: Usage) -> Resources:
    return Resources(wall_s=usage.wall_s, cpu_s=usage.cpu_s, peak_memory_bytes=usage.peak_memory_bytes)
