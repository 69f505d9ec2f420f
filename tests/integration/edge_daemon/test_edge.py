"""An edge daemon with real workers, on the memory bus."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from bus.events.cycles import CancelExperiment, CycleKind, Progress, UpdateFailed, UpdateSealed
from bus.events.datasets import Split
from bus.events.principals import EdgeEnrolled
from bus.runtime.listening import ignore, verified
from bus.wire.topology import StreamName
from hostile.models import zipped
from support import people
from support.jobs import HEADER, LOGISTIC
from support.site import DATA, EDGE, LIMITS, Site, X

SLOW = HEADER.format(body="\n    ".join(["import time", "time.sleep(3600)"]))


async def test_an_edge_takes_part_in_every_kind_of_cycle(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        await site.order(CycleKind.STATISTICS)
        sums = await site.model_of((await site.answers(1))[0])
        await site.order(CycleKind.INITIALISE, model=sums)
        first = await site.model_of((await site.answers(2))[1])
        await site.order(CycleKind.TRAIN, 1, model=first)
        trained = (await site.answers(3))[2]
        await site.order(CycleKind.EVALUATE, 1, model=await site.model_of(trained))
        evaluated = await site.answer(4)
        await until(lambda: not list((tmp_path / "edge" / "jobs").iterdir()))
    body = trained.body
    assert isinstance(body, UpdateSealed)
    assert body.examples == 60
    assert body.resources.cpu_s > 0
    assert body.resources.sent_bytes > 0
    assert isinstance(evaluated, UpdateSealed)
    assert evaluated.weights is None
    assert {score.split for score in evaluated.scores} == {"test"}
    enrolled = [r async for r in verified(site.broker, people.directory(), "ev.federation.edge.>", reject=ignore)]
    assert [type(r.body) for r in enrolled] == [EdgeEnrolled]
    signals = verified(site.broker, people.directory(), "tel.>", reject=ignore, stream=StreamName.TELEMETRY)
    reported = [record.body async for record in signals]
    assert any(isinstance(body, Progress) and body.done == body.total == 3 for body in reported)


@pytest.mark.parametrize(
    ("changes", "code", "phase"),
    [
        ({"data": DATA.model_copy(update={"dataset": "other"})}, "data.missing", "export"),
        ({"data": DATA.model_copy(update={"features": ("f0", "f9")})}, "data.column", "export"),
        ({"data": DATA.model_copy(update={"features": ("f0", "note")})}, "data.kind", "export"),
        ({"data": DATA.model_copy(update={"classes": ("no", "maybe")})}, "data.class", "statistics"),
        ({"deadline": datetime.now(UTC) - timedelta(minutes=1)}, "cycle.late", "accept"),
        (
            {"limits": LIMITS.model_copy(update={"memory_bytes": 256 * 1024**2, "cpu_s": 1, "wall_s": 0.01})},
            "resource.wall",
            "statistics",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_done_is_said_with_the_reason(
    tmp_path: Path, changes: dict[str, object], code: str, phase: str
) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        await site.order(CycleKind.STATISTICS, **changes)
        body = await site.answer()
    assert isinstance(body, UpdateFailed)
    assert body.failure.code == code
    assert body.failure.edge == EDGE
    assert body.failure.phase == phase
    assert bool(body.failure.trace) is (code == "data.class")
    assert str(tmp_path) not in body.failure.message + "".join(body.failure.trace)


async def test_a_zip_and_weights_to_begin_with(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    main = LOGISTIC.replace("from sklearn.linear_model", "from helper")
    code = await site.code(zipped({"net.py": main.encode(), "helper.py": b"from sklearn.linear_model import *\n"}))
    given = {"coef": np.array([[0.25, -4.0]]), "intercept": np.array([3.0])}
    pretrained = await site.code(save(given), "pretrained")
    async with site.running():
        await site.order(CycleKind.STATISTICS, code=code)
        sums = await site.model_of((await site.answers(1))[0])
        await site.order(CycleKind.INITIALISE, model=sums, code=code, pretrained=pretrained)
        await site.model_of((await site.answers(2))[1])
        await site.order(CycleKind.INITIALISE, trial=2, model=sums, code=code, pretrained=await site.code(b"", "none"))
        refused = await site.answer(3)
    first = load_file(tmp_path / "again-0-initialise-1.safetensors")
    assert {name: first[f"model.{name}"].tolist() for name in given} == {n: each.tolist() for n, each in given.items()}
    assert (first["preprocessing.scale"] > 1).all()
    assert isinstance(refused, UpdateFailed)
    assert (refused.failure.code, refused.failure.phase) == ("pretrained.format", "initialise")


async def test_a_model_is_checked_before_it_comes_near_a_row(tmp_path: Path) -> None:
    """A solver that only shows in training is found by who makes the first model, whatever the vendor checked."""
    site = await Site.made(tmp_path)
    code = await site.code(LOGISTIC.replace("LogisticRegression()", "LogisticRegression(solver='liblinear')"))
    async with site.running():
        await site.order(CycleKind.STATISTICS, code=code)
        sums = await site.model_of((await site.answers(1))[0])
        await site.order(CycleKind.INITIALISE, model=sums, code=code)
        refused = await site.answer(2)
    assert isinstance(refused, UpdateFailed)
    assert (refused.failure.code, refused.failure.phase) == ("model.solver", "initialise")


async def test_a_model_that_was_not_sealed_for_this_edge(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    code = (await site.code()).model_copy(update={"address": "w.acme.acme.01X.elsewhere"})
    async with site.running():
        await site.order(CycleKind.STATISTICS, code=code)
        body = await site.answer()
    assert isinstance(body, UpdateFailed)
    assert (body.failure.code, body.failure.phase) == ("seal.recipient", "fetch")


async def test_what_was_trained_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the work and before the answer: only the answer is left to do."""
    site = await Site.made(tmp_path)
    await site.order(CycleKind.STATISTICS)
    with monkeypatch.context() as patch:
        upload = asyncio.Event()
        patch.setattr("edge_daemon.outbox.outgoing.upload_file", _endless(upload))
        async with site.running():
            await upload.wait()
    assert states(tmp_path) == ["worked"]
    (tmp_path / "store.sqlite").unlink()
    async with site.running():
        body = await site.answer()
        await until(lambda: states(tmp_path) == ["said"])
    assert isinstance(body, UpdateSealed)


def _endless(called: asyncio.Event):
    async def upload(*_: object, **__: object) -> None:
        called.set()
        await asyncio.Event().wait()

    return upload


def states(folder: Path) -> list[str]:
    """Where the jobs stand, in the order of their commands."""
    with closing(sqlite3.connect(folder / "edge" / "jobs.sqlite")) as connection:
        return [state for (state,) in connection.execute("SELECT state FROM jobs ORDER BY sequence")]


async def until(condition: Callable[[], bool]) -> None:
    """Until something that leaves no event behind has come about."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_restart_in_mid_work_gives_the_same_answer(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    await site.order(CycleKind.STATISTICS)
    async with site.running():
        await inputs(tmp_path, 1)
    assert states(tmp_path) == ["accepted"]
    async with site.running():
        first = await site.answer()
        await site.order(CycleKind.STATISTICS, trial=2)
        second = await site.answer(1)
    assert isinstance(first, UpdateSealed)
    assert first == second, "an update of one cycle is said once"


async def inputs(folder: Path, count: int) -> None:
    """Until this many jobs have a configuration, and so a worker that starts."""
    await until(lambda: len(list((folder / "edge" / "jobs").glob("*/inputs/config.yaml"))) >= count)


async def test_a_newer_command_replaces_an_older_one(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    slow = await site.code(SLOW, "slow")
    async with site.running():
        await site.order(CycleKind.STATISTICS)
        sums = await site.model_of((await site.answers(1))[0])
        await site.order(CycleKind.INITIALISE, code=slow, model=sums)
        await inputs(tmp_path, 1)
        await site.order(CycleKind.INITIALISE, trial=2, model=sums)
        body = await site.answer(2)
        await until(lambda: states(tmp_path) == ["said", "cancelled", "said"])
    assert isinstance(body, UpdateSealed)


async def test_cancelling_an_experiment_ends_its_work(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    slow = await site.code(SLOW, "slow")
    async with site.running():
        await site.order(CycleKind.STATISTICS)
        sums = await site.model_of((await site.answers(1))[0])
        await site.order(CycleKind.INITIALISE, code=slow, model=sums)
        await inputs(tmp_path, 1)
        await site.voice("coordinator").order(CancelExperiment(edge=EDGE, experiment=X, turn=1))
        await until(lambda: not list((tmp_path / "edge" / "jobs").iterdir()))
    assert states(tmp_path) == ["said", "cancelled"]


async def test_an_owners_limits_win(tmp_path: Path) -> None:
    bounds = {**LIMITS.model_dump(), "wall_s": 0.01}
    site = await Site.made(tmp_path, limits=bounds)
    async with site.running():
        await site.order(CycleKind.STATISTICS)
        body = await site.answer()
    assert isinstance(body, UpdateFailed)
    assert body.failure.code == "resource.wall"


async def test_an_edge_takes_the_rows_that_it_is_told_of_and_no_other(tmp_path: Path) -> None:
    some = Split(rows=20, classes={"no": 12, "yes": 8})
    site = await Site.made(tmp_path)
    async with site.running():
        await site.order(CycleKind.STATISTICS, data=DATA.model_copy(update={"taken": {EDGE: some}}))
        taken = await site.answer()
        too_many = Split(rows=40, classes={"no": 31, "yes": 9})
        await site.order(
            CycleKind.STATISTICS, number=1, data=DATA.model_copy(update={"taken": {EDGE: too_many, "other": some}})
        )
        refused = await site.answer(2)
    assert isinstance(taken, UpdateSealed)
    assert taken.examples == 20
    assert isinstance(refused, UpdateFailed)
    assert (refused.failure.code, refused.failure.phase, refused.retryable) == ("data.rows", "export", False)
