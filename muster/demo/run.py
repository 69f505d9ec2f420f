"""The demonstration, step by step.

Each step is what a user would do by hand; the last ones check what the others claim.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit_sink.domain.verification import Verification
from bus.errors import Integrity
from bus.weights import incoming
from coordinator.domain.state import Experiment
from muster.cli.frame import Output
from muster.client import connect
from muster.demo.baseline import Comparison, Row
from muster.demo.data import SHARES, TARGET, Collection, collection, write_csv
from muster.federation.create import create
from muster.federation.layout import Layout
from muster.federation.supervisor import running
from muster.ingest import ingest_files
from muster.proof.replay import Recomputed, replay
from muster.proof.verify import verify_federation
from muster.submission.submit import Draft, read_draft, resolve, submit
from muster.telling.display import Display
from muster.telling.follow import View, ended, follow
from training.weights import read_weights

VENDOR: Final = "acme"
DATASET: Final = "breast-cancer"
_FILES: Final = Path(__file__).parent / "files"
_ROUNDING: Final = 1e-12
_LEASE_S: Final = 3.0
"""Shorter than the default: everything is on one machine, and nobody wants to wait."""


@dataclass(frozen=True)
class Outcome:
    """What the demonstration found.

    Attributes:
        rows: The comparison, the federated model last.
        test_rows: On how many held-out rows.
        model: The downloaded model.
        digest: Of the model.
        experiment: Its id.
        audit: What the log's verification found.
        replayed: Global models, recomputed.
    """

    rows: list[Row]
    test_rows: int
    model: Path
    digest: str
    experiment: str
    audit: Verification
    replayed: list[Recomputed]

    @property
    def held(self) -> bool:
        """Whether everything that is claimed turned out to be so."""
        return bool(self.replayed) and all(each.equal for each in self.replayed) and not self.audit.unproven


def prepare(directory: Path) -> tuple[Collection, Path]:
    """Write the hospitals' CSV files, the plan and the model file; returns the data and the plan's path."""
    directory.mkdir(parents=True, exist_ok=True)
    found = collection()
    write_csv(found, directory / "data")
    for path in _FILES.iterdir():
        if path.suffix in {".py", ".yaml"}:
            shutil.copyfile(path, directory / path.name)
    return found, directory / "plan.yaml"


async def demonstrate(directory: Path, out: Output) -> Outcome:
    """Run the demonstration in ``directory``; doing so again adds another run to the same federation.

    Raises:
        MusterError: Something failed.
        Integrity: A claim does not hold.
    """
    found, path = await asyncio.to_thread(prepare, directory)
    draft = read_draft(path)
    layout = create(directory / "federation", edges=tuple(SHARES), vendors=(VENDOR,), lease_s=_LEASE_S)
    out.say(f"starting a federation of {len(layout.read().edges)} hospitals in {layout.directory}")
    async with running(layout):
        await _bring_in(layout, directory, out)
        view = await _experiment(layout, draft, out)
        model = await _download(layout, view.experiment, directory)
        comparison = await asyncio.to_thread(Comparison, found, draft.plan, draft.model.path)
        rows = await asyncio.to_thread(comparison.baselines)
        trained = sum(row.rows for row in rows[: len(SHARES)])
        federated = comparison.scored("federated", trained, read_weights(model))
        _agree(view, federated)
        out.say("checking the log and recomputing every global model")
        replayed = await _replay(layout, view.experiment)
        audit = await verify_federation(layout)
    assert view.experiment.model is not None
    return Outcome(
        rows=[*rows, federated],
        test_rows=comparison.test_rows,
        model=model,
        digest=view.experiment.model.digest,
        experiment=view.id,
        audit=audit,
        replayed=replayed,
    )


async def _bring_in(layout: Layout, directory: Path, out: Output) -> None:
    """Each hospital ingests its own files into its own store."""

    async def one(edge: str) -> str:
        files = {split: directory / "data" / f"{edge}-{split}.csv" for split in ("train", "test")}
        report = await ingest_files(
            layout, edge, dataset=DATASET, category="tabular_classification", target=TARGET, files=files
        )
        return str(report)

    for line in await asyncio.gather(*(one(edge) for edge in SHARES)):
        out.say(f"ingested {line}")


async def _experiment(layout: Layout, draft: Draft, out: Output) -> View:
    """Submit the plan as the vendor and follow it to its end."""
    async with connect(layout, VENDOR) as client:
        data, holders = resolve(draft, await client.datasets())
        identity = await submit(client, draft, data, holders)
        out.say(f"submitted experiment {identity}: {draft.plan.cycles} cycles at {', '.join(holders)}")
        with Display(out.prose).shown() as display:
            view = await follow(client, identity, display.tell)
    ended(view)
    return view


async def _download(layout: Layout, experiment: Experiment, directory: Path) -> Path:
    assert experiment.model is not None
    path = directory / "model.safetensors"
    async with connect(layout, VENDOR) as client:
        await incoming.download_file(client.broker.blobs(), experiment.model, client.identity, path)
    return path


def _agree(view: View, local: Row) -> None:
    """The metrics that the edges' scores were combined to are those of the downloaded model on the same rows.

    Raises:
        Integrity: They differ.
    """
    claimed = {score.name: score.value for score in view.experiment.scores}["accuracy"]
    found = local.scores["accuracy"]
    if claimed is None or found is None or abs(claimed - found) > _ROUNDING:
        raise Integrity(
            f"the federation says accuracy {claimed}, the downloaded model has {found}", code="demo.accuracy"
        )


async def _replay(layout: Layout, experiment: Experiment) -> list[Recomputed]:
    """Recompute every outcome, with the aggregator's keys."""
    async with connect(layout, "aggregator") as aggregator:
        return await replay(aggregator, experiment, lambda _: None)
