"""What an edge keeps belongs to one update, and is found by the command that follows it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bus.events.base import ExperimentId, MessageId, PrincipalId
from bus.events.cycles import Cycle, CycleKind, RunCycle
from bus.wire import subjects
from bus.wire.envelope import message_id
from coordinator.domain.orders import orders
from edge_daemon.domain.jobs import Job, State, update_id
from edge_daemon.kept import Kept
from support.play import Play
from support.story import EDGES, update

EDGE = PrincipalId(EDGES[0])
DAY_S = 24 * 3600


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "kept", EDGE)


@pytest.fixture
def told() -> RunCycle:
    play = Play()
    play.until("train")
    return next(c for c in orders(play.experiment, play.story.now) if isinstance(c, RunCycle) and c.edge == EDGE)


class Jobs:
    """Makes jobs of one experiment."""

    def __init__(self, told: RunCycle, files: Path) -> None:
        self._told = told
        self._story = Play().story
        self._files = files

    def job(self, number: int, follows: Job | None = None, *, experiment: str = "01X", attempt: int = 1) -> Job:
        cycle = Cycle(number=number, kind=CycleKind.TRAIN, attempt=attempt)
        changes = {"cycle": cycle, "experiment": ExperimentId(experiment), "follows": self.update(follows)}
        return Job(self._story.said(self._told.model_copy(update=changes), "coordinator"), State.WORKED)  # type: ignore[arg-type]

    def update(self, job: Job | None) -> MessageId | None:
        return None if job is None else update_id(job.command, EDGE)

    def file(self, name: str, content: str) -> Path:
        path = self._files / name
        path.write_text(content)
        return path


@pytest.fixture
def jobs(told: RunCycle, tmp_path: Path) -> Jobs:
    return Jobs(told, tmp_path)


def test_the_id_of_an_update_is_that_of_its_event(told: RunCycle) -> None:
    said = update(EDGE, told.cycle).model_copy(update={"experiment": told.experiment})
    assert update_id(told, EDGE) == message_id(subjects.of(said, owner=told.owner, actor=EDGE))


def test_it_is_found_by_who_follows(kept: Kept, jobs: Jobs) -> None:
    first = jobs.job(1)
    assert kept.read(first, "residual") is None
    kept.keep(first, jobs.file("residual", "one"))
    kept.keep(first, jobs.file("residual", "one"))  # a second time, after the daemon was killed
    found = kept.read(jobs.job(2, first), "residual")
    assert found is not None
    assert found.read_text() == "one"
    assert kept.read(jobs.job(2), "residual") is None
    assert kept.read(jobs.job(2, first), "other") is None


def test_what_did_not_count_is_not_gone_on_from(kept: Kept, jobs: Jobs) -> None:
    first = jobs.job(1)
    kept.keep(first, jobs.file("residual", "one"))
    kept.settle(first)
    late = jobs.job(2, first)
    kept.keep(late, jobs.file("residual", "late"))
    kept.settle(late)
    again = jobs.job(2, first, attempt=2)
    found = kept.read(again, "residual")
    assert found is not None
    assert found.read_text() == "one"
    kept.keep(again, jobs.file("residual", "two"))
    kept.settle(again)
    third = jobs.job(3, again)
    kept.settle(third)
    assert kept.read(jobs.job(3, first), "residual") is None
    assert kept.read(jobs.job(3, late), "residual") is None
    found = kept.read(third, "residual")
    assert found is not None
    assert found.read_text() == "two"


def test_a_fork_finds_what_its_parent_kept(kept: Kept, jobs: Jobs) -> None:
    parent = jobs.job(1)
    kept.keep(parent, jobs.file("residual", "one"))
    fork = jobs.job(2, parent, experiment="01Y")
    assert kept.read(fork, "residual") is not None
    kept.settle(fork)
    kept.forget(ExperimentId("01Y"))
    assert kept.read(fork, "residual") is not None
    kept.forget(ExperimentId("01X"))
    assert kept.read(fork, "residual") is None


def test_nobody_else_may_look_and_what_is_old_goes(kept: Kept, jobs: Jobs, tmp_path: Path) -> None:
    old, new = jobs.job(1), jobs.job(1, experiment="01Y")
    for job in (old, new):
        kept.keep(job, jobs.file("residual", "one"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "kept").rglob("*") if path.is_dir())
    past = time.time() - 31 * DAY_S
    for path in [*(tmp_path / "kept" / "01X").rglob("*"), tmp_path / "kept" / "01X"]:
        os.utime(path, (past, past))
    kept.sweep()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["01Y"]
