"""A global model on its own: with all that predictions need, and without any federation.

::

    artefact.json          what it is, and the digests of the other two
    model.safetensors      weights and preprocessing
    submitted.py (or .zip) the vendor's file, if whoever downloads may read it; not the name that it had, since people
                           download to where they work
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from bus.errors import Denied, Integrity, Invalid, NotFound, WorkerFailed
from bus.events.experiments import TaskData
from bus.weights import incoming
from bus.weights.outgoing import digest_of
from coordinator.domain.state import Experiment
from muster import tables
from muster.client import Client
from muster.portal import Portal
from training.categories.tabular import Task as TabularTask
from training.errors import TrainingError
from training.plan import Limits, Training
from training.preprocessing.preparation import Preparation
from training.worker import sandbox
from training.worker.config import MODEL, PREDICTIONS, WEIGHTS, Config, Task
from training.worker.predictions import Predictions, read_predictions
from training.worker.process import Assignment
from training.worker.supervise import run_worker

FILE: Final = "artefact.json"
WEIGHTS_FILE: Final = "model.safetensors"
SUBMITTED: Final = "submitted.py"
_ZIP: Final = b"PK"


class Facts(BaseModel):
    """``artefact.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    experiment: str
    name: str
    cycle: int
    """Training cycle whose model it is; 0 for the first one, before any training."""
    framework: str
    data: TaskData
    training: Training
    digest: str
    """Of ``model.safetensors``; the log cites it."""
    size_bytes: int
    code: str | None = None
    """Name of the vendor's file; ``None`` if it is not here."""
    code_digest: str
    """Of the vendor's file."""


@dataclass(frozen=True)
class Artefact:
    """A downloaded model: ``muster.load`` or ``Experiment.download`` gives it.

    Attributes:
        directory: Where it is.
        facts: What it is.
        code: The vendor's file, if it is there.
    """

    directory: Path
    facts: Facts
    code: Path | None

    @classmethod
    def open(cls, directory: Path, code: Path | None = None) -> Self:
        """The artefact in a directory, once its files are found to be what they were.

        Args:
            directory: Where it is.
            code: The vendor's file, if it is elsewhere.

        Raises:
            NotFound: There is none.
            Invalid: It is of a later release, or damaged.
            Integrity: A file is not what it was when it was downloaded.
        """
        try:
            facts = Facts.model_validate_json((directory / FILE).read_bytes())
        except FileNotFoundError:
            raise NotFound(
                f"there is no {FILE} in {directory}: name a directory that 'muster download' wrote",
                code="artefact.missing",
            ) from None
        except (OSError, ValidationError) as error:
            raise Invalid(
                f"{directory / FILE} cannot be read: download the model anew", code="artefact.format"
            ) from error
        if code is None and facts.code is not None:
            code = directory / facts.code
        found = cls(directory, facts, code)
        for path, digest in ((found.weights, facts.digest), (code, facts.code_digest)):
            if path is not None and _digest(path) != digest:
                raise Integrity(f"{path} is not what was downloaded: download the model anew", code="artefact.digest")
        return found

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.directory / WEIGHTS_FILE

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that it needs, in the order of an array's."""
        return self.facts.data.features

    @property
    def target(self) -> str:
        """What it predicts."""
        return self.facts.data.target

    @property
    def classes(self) -> tuple[str, ...] | None:
        """What it tells apart, in the order of ``predict_proba``; ``None`` if it predicts a number."""
        return self.facts.data.classes

    @property
    def task(self) -> TabularTask:
        """What it learnt from what."""
        data = self.facts.data
        prepared = Preparation.told(data.features, data.preparation, data.derived)
        return TabularTask(data.features, data.target, data.classes, prepared)

    def __repr__(self) -> str:
        facts = self.facts
        what = f"{facts.data.category} with {facts.framework}: {facts.data.target!r} from {len(self.features)} columns"
        return f"<model of {facts.name!r}, cycle {facts.cycle}; {what}; {facts.digest[:19]}...>"

    def predict(self, rows: Any, *, limits: Limits | None = None) -> NDArray[Any]:  # noqa: ANN401 - see ``rows``
        """What it says of rows: classes as they are called, object, or numbers, float64; shape (rows,).

        The vendor's file runs in a worker without network, bounded as at an edge. No federation is needed.

        Args:
            rows: A CSV file, a data frame, a mapping of columns, or an array (rows, features); see ``muster.tables``.
            limits: Bounds of the worker; those that a plan has by default if left out.

        Raises:
            Invalid: The rows do not have what the model needs; the message says where.
            NotFound: There is no such file, or the vendor's file is not here.
            WorkerFailed: The worker failed; ``details`` has the trace.
        """
        return self._predicted(rows, limits).values

    def predict_proba(self, rows: Any, *, limits: Limits | None = None) -> NDArray[np.float64]:  # noqa: ANN401 - as above
        """How likely each of ``classes`` is: float64, shape (rows, classes). Arguments and errors as ``predict``.

        Raises:
            Invalid: The model gives no probabilities.
        """
        found = self._predicted(rows, limits).probabilities
        if found is None:
            raise Invalid("this model gives no probabilities: use 'predict'", code="predict.probabilities")
        return found

    def _predicted(self, rows: Any, limits: Limits | None) -> Predictions:  # noqa: ANN401 - as above
        with Portal() as portal:
            return portal.call(predictions(self, rows, limits))


def load(directory: Path | str, *, code: Path | str | None = None) -> Artefact:
    """A model that was downloaded, ready to predict; needs no federation and no keys.

    Args:
        directory: Where it is.
        code: The vendor's model file, if it was not downloaded with the model.

    Raises:
        NotFound: There is none in the directory.
        Invalid: It is of a later release, or damaged.
        Integrity: A file is not what it was when it was downloaded.
    """
    return Artefact.open(placed(directory), None if code is None else placed(code))


def placed(path: Path | str) -> Path:
    """A path as people name it, absolute."""
    return Path(path).expanduser().resolve()


async def download(client: Client, experiment: Experiment, directory: Path) -> Artefact:
    """Fetch, open and check the newest global model of an experiment, and the vendor's file if we may read it.

    Args:
        client: Who fetches.
        experiment: Whose model.
        directory: Where to; made if missing. What an earlier download left there is replaced.

    Raises:
        NotFound: There is no global model yet, or its weights are gone.
        Integrity: Something in the store is not what the log says.
        Unavailable: The federation is away.
    """
    model = experiment.global_model
    if model is None:
        raise NotFound(f"experiment {experiment.id} has no global model yet", code="model.missing")
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    (directory / FILE).unlink(missing_ok=True)
    await incoming.download_file(client.broker.blobs(), model, client.identity, directory / WEIGHTS_FILE)
    code = await _code(client, experiment, directory)
    spec = experiment.spec
    facts = Facts(
        experiment=experiment.id,
        name=spec.name,
        cycle=next((number for number, each in experiment.models.items() if each.digest == model.digest), 0),
        framework=spec.framework,
        data=spec.data,
        training=Training.model_validate_json(spec.training),
        digest=model.digest,
        size_bytes=model.size_bytes,
        code=None if code is None else code.name,
        code_digest=spec.code.digest,
    )
    (directory / FILE).write_text(facts.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return Artefact(directory, facts, code)


async def _code(client: Client, experiment: Experiment, directory: Path) -> Path | None:
    """The vendor's file; ``None`` if it is not sealed for us."""
    path = directory / SUBMITTED
    try:
        await incoming.download_file(client.broker.blobs(), experiment.spec.code, client.identity, path)
    except (NotFound, Denied):
        return None
    with path.open("rb") as file:
        zipped = file.read(len(_ZIP)) == _ZIP
    return path.rename(path.with_suffix(".zip")) if zipped else path


async def predictions(artefact: Artefact, rows: Any, limits: Limits | None = None) -> Predictions:  # noqa: ANN401 - see ``rows``
    """What a model says of rows. Arguments and errors as ``Artefact.predict``."""
    if artefact.code is None:
        raise NotFound(
            f"the vendor's model file is not in {artefact.directory}, as it was not sealed for who downloaded it: "
            "name the file with code=",
            code="artefact.code",
        )
    task, bounds = artefact.task, limits or Limits()
    with tempfile.TemporaryDirectory(prefix="muster-predict-") as folder:
        inputs, output = Path(folder) / "inputs", Path(folder) / "output"
        output.mkdir()
        count = await asyncio.to_thread(_lay_out, artefact, rows, task, bounds, inputs)
        assignment = Assignment(Task.PREDICT, inputs, output, Path(folder) / "worker.log", bounds)
        ended = await run_worker(assignment, sandbox.available())
        try:
            if ended.error is not None:
                raise ended.error
            return await asyncio.to_thread(read_predictions, output / PREDICTIONS, task, rows=count)
        except TrainingError as error:
            raise WorkerFailed(
                f"the model cannot predict: {error.message}", code=error.code, trace="\n".join(error.trace)
            ) from error


def _lay_out(artefact: Artefact, rows: Any, task: TabularTask, limits: Limits, inputs: Path) -> int:  # noqa: ANN401 - as above
    assert artefact.code is not None
    inputs.mkdir()
    count = tables.lay_out(rows, task, inputs / "data")
    shutil.copyfile(artefact.code, inputs / MODEL)
    try:
        os.link(artefact.weights, inputs / WEIGHTS)
    except OSError:
        shutil.copyfile(artefact.weights, inputs / WEIGHTS)
    Config(
        category=artefact.facts.data.category,
        framework=artefact.facts.framework,
        features=task.features,
        target=task.target,
        classes=task.classes,
        preparation=task.preparation,
        training=artefact.facts.training,
        limits=limits,
        weights=Path(WEIGHTS),
        dataset=Path("data"),
    ).write(inputs / "config.yaml")
    return count


def _digest(path: Path) -> str:
    try:
        return digest_of(path)[0]
    except OSError as error:
        raise NotFound(f"{path} cannot be read: download the model anew", code="artefact.missing") from error
