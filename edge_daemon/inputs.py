"""What a job's worker is given: model file, weights, rows, and what it is told; read-only for it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from bus.errors import MusterError
from bus.events import encodings
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import incoming, references
from bus.weights.stores import choose
from edge_daemon.codes import Codes
from edge_daemon.domain.jobs import Job, keeps, task
from edge_daemon.export import Taking, export
from edge_daemon.kept import Kept
from edge_daemon.outbox import AGGREGATOR
from edge_daemon.settings import EdgeSettings
from edge_daemon.threads import Wanted, to_its_end
from training.dataset import Index
from training.errors import Category, Phase, TrainingError, during
from training.plan import Limits, Strategy, Training
from training.preprocessing.preparation import Preparation
from training.worker.config import MODEL, PRETRAINED, STATE, WEIGHTS, Config


class Inputs:
    """Gathers inputs of jobs.

    Args:
        settings: Of the edge.
        blobs: Where model files and weights come from.
        identity: Opens what is sealed for this edge.
        kept: What the edge kept of earlier cycles.
    """

    def __init__(self, settings: EdgeSettings, blobs: Blobs, identity: Identity, kept: Kept) -> None:
        self._settings = settings
        self._blobs = blobs
        self._identity = identity
        self._kept = kept
        self._codes = Codes(blobs, identity)

    async def fill(self, job: Job, inputs: Path) -> Index:
        """Put all that a job's worker needs into the folder ``inputs``; returns what rows there are.

        Raises:
            TrainingError: It cannot be had, or may not.
            Unavailable: It cannot be had at present.
        """
        command = job.command
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

    def limits(self, job: Job) -> Limits:
        """Bounds of a job's worker: the plan's, or the owner's where they are lower."""
        return self._settings.bounded(Limits.model_validate(job.command.limits.model_dump()))

    def _lay_out(self, job: Job, inputs: Path, wanted_still: Wanted) -> Index:
        """Put among the inputs what need not be fetched: the rows, what was kept, and what the worker is told."""
        command, wanted = job.command, task(job.command.cycle.kind)
        data = command.data
        prepared = Preparation.told(data.features, data.preparation, data.derived)
        index = Index(rows={}, columns=())
        if wanted.needs_data:
            with during(Phase.EXPORT):
                taken = data.taken.get(self._identity.principal)
                taking = None if taken is None else Taking(taken, command.seed)
                index = export(self._settings.store_url, data, inputs / "data", wanted_still, taking)
        Config(
            category=data.category,
            framework=command.framework,
            features=data.features,
            target=data.target,
            classes=data.classes,
            preparation=None if prepared.is_plain else prepared,
            seed=command.seed,
            cycle=command.cycle.number,
            training=Training.model_validate_json(command.training).slowed(command.rate_factor),
            strategy=command.strategy and Strategy.model_validate(command.strategy.model_dump()),
            limits=self.limits(job),
            pretrained=Path(PRETRAINED) if command.pretrained is not None else None,
            weights=Path(WEIGHTS) if command.model is not None else None,
            state=self._gone_on_from(job, inputs),
            dataset=Path("data") if wanted.needs_data else None,
            with_validation=command.with_validation,
        ).write(inputs / "config.yaml")
        return index

    def _gone_on_from(self, job: Job, inputs: Path) -> Path | None:
        """Where among the inputs lies what was kept of the update that the job follows, if it is here."""
        kept = self._kept.read(job, STATE) if keeps(job) else None
        if kept is None:
            return None
        shutil.copyfile(kept, inputs / STATE)
        return Path(STATE)


def empty(folder: Path) -> None:
    """Remove the files below a folder; the folders themselves can wait."""
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                Path(place, name).unlink()
