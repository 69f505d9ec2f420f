"""What the log says about the work of the edges, and what doing it again shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from numpy.typing import NDArray

from bus.events.base import Digest, MessageId, PrincipalId
from bus.events.cycles import Cycle, CycleKind, CycleOpened, RunCycle
from bus.events.experiments import ExperimentAdmitted, ExperimentStarted
from bus.wire import subjects
from bus.wire.envelope import message_id
from bus.wire.record import Record
from muster.cli.proof import replay_
from muster.cli.retraining import status
from muster.proof.recorded import recorded
from muster.proof.retrain import Report, Retrained, began_apart
from muster.proof.tensors import Difference, first_difference
from support.story import EDGES, START, Story, X, failed, registered, sealed, submission, update
from training.weights import Weights, write_weights

TRAIN = Cycle(number=1, kind=CycleKind.TRAIN)
ONE = MessageId("one")


def opened(story: Story, cycle: Cycle) -> Record:
    body = CycleOpened(
        experiment=X,
        cycle=cycle,
        cohort=tuple(map(PrincipalId, EDGES)),
        quorum=1,
        model=sealed("global"),
        deadline=START.replace(year=2027),
    )
    return story.said(body, "coordinator")


def begun(story: Story) -> list[Record]:
    """An experiment up to its first cycle."""
    return [
        *(story.said(registered(edge), edge, owner="federation") for edge in EDGES),
        story.said(submission(seed=7), "acme"),
        story.said(ExperimentAdmitted(experiment=X, reasons=(), rules=Digest("sha256:r")), "policy_engine"),
        story.said(ExperimentStarted(experiment=X, edges=tuple(map(PrincipalId, EDGES))), "coordinator"),
        opened(story, TRAIN),
    ]


def command_id(edge: str, trial: int) -> MessageId:
    """Of the command to take part in the training."""
    key = RunCycle.model_construct(edge=edge, experiment=X, cycle=TRAIN, trial=trial)
    return message_id(subjects.of(key, owner="acme", actor="coordinator"))


def answer(story: Story, edge: str, trial: int = 1) -> Record:
    return story.said(update(edge, TRAIN).model_copy(update={"command": command_id(edge, trial)}), edge)


def test_a_command_follows_from_the_log() -> None:
    story = Story()
    records = [*begun(story), answer(story, "hospital-b"), answer(story, "hospital-a")]
    found = recorded(records, X)
    assert [each.edge for each in found] == ["hospital-a", "hospital-b"]
    for each in found:
        assert each.problem is None
        assert each.command is not None
        assert (each.command.seed, each.command.model, each.command.code) == (7, sealed("global"), sealed("code"))
        assert each.data == registered(each.edge)


def test_an_update_may_answer_a_second_trial_but_no_invented_one() -> None:
    story = Story()
    failure = failed("hospital-a", TRAIN)
    records = [*begun(story), story.said(failure, "hospital-a"), answer(story, "hospital-a", 2)]
    (found,) = recorded(records, X)
    assert found.command is not None
    assert found.command.trial == 2
    story = Story()
    (found,) = recorded([*begun(story), answer(story, "hospital-a", 2)], X)
    assert found.command is None
    assert found.problem == "it answers no command that follows from the log"


@pytest.mark.parametrize(("digest", "known"), [("sha256:d", True), ("sha256:other", False)])
def test_data_that_changed_while_an_edge_worked_is_not_guessed(digest: str, known: bool) -> None:
    story = Story()
    anew = registered("hospital-a", revision=2, digest=Digest(digest))
    records = [*begun(story), story.said(anew, "hospital-a", owner="federation"), answer(story, "hospital-a")]
    (found,) = recorded(records, X)
    assert (found.data is not None) is known
    assert ("while the edge worked" in (found.problem or "")) is not known


def test_data_that_came_later_does_not_count() -> None:
    story = Story()
    records = [*begun(story), answer(story, "hospital-a")]
    later = registered("hospital-a", revision=2, digest=Digest("sha256:later"))
    (found,) = recorded([*records, story.said(later, "hospital-a", owner="federation")], X)
    assert found.data is not None
    assert found.data.digest == "sha256:d"


def write(path: Path, **tensors: NDArray[Any]) -> Path:
    write_weights(path, Weights(tensors, dict.fromkeys(tensors, "mean")))
    return path


def test_the_first_tensor_that_differs(tmp_path: Path) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.ones(4)
    one = write(tmp_path / "one", a=a, b=b)
    changed = b.copy()
    changed[[1, 3]] = 0.5, 3.0
    found = first_difference(one, write(tmp_path / "other", a=a, b=changed))
    assert found == Difference("b", 4, 2, 2.0)
    assert str(found) == "tensor 'b': 2 of 4 elements, by at most 2"
    assert first_difference(one, write(tmp_path / "shape", a=a.ravel(), b=b)) == Difference("a", 6)
    assert first_difference(one, write(tmp_path / "less", a=a)) == Difference("b")


def test_what_differs_in_bits_only(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one", a=np.zeros(2)), write(tmp_path / "other", a=np.array([0.0, -0.0]))
    assert first_difference(one, other) == Difference("a", 2, 1, 0.0)
    write_weights(tmp_path / "about", Weights({"a": np.zeros(2)}, {"a": "mean"}, {"framework": "x"}))
    assert first_difference(one, tmp_path / "about") == Difference(None)


EQUAL = Retrained("1-train-1", "a", Digest("sha256:1"), same_environment=True, found=Digest("sha256:1"))
DIFFERENT = replace(EQUAL, found=Digest("sha256:2"), differs=("weights",))
ELSEWHERE = replace(DIFFERENT, cycle="0-statistics-1", same_environment=False)
FAILED = replace(EQUAL, found=None, reason="it broke", failed=True)
GONE = replace(EQUAL, found=None, reason="gone")


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([EQUAL], 0),
        ([EQUAL, ELSEWHERE, FAILED, GONE, DIFFERENT], 6),
        ([EQUAL, ELSEWHERE, FAILED], 3),
        ([EQUAL, FAILED, GONE], 9),
        ([EQUAL, GONE], 4),
        ([], 4),
    ],
)
def test_the_exit_status_tells_the_most_serious(results: list[Retrained], expected: int) -> None:
    assert status(Report(results, {}, len(results)), asked=False) == expected


def test_an_edge_that_is_not_here_counts_if_it_was_asked_for() -> None:
    report = Report([EQUAL], {"b": "not here"}, 2)
    assert status(report, asked=False) == 0
    assert status(report, asked=True) == 4


def test_the_first_difference_is_one_that_nothing_explains() -> None:
    assert Report([ELSEWHERE, DIFFERENT], {}, 2).first == DIFFERENT
    assert Report([EQUAL, ELSEWHERE], {}, 2).first == ELSEWHERE
    assert Report([EQUAL, GONE], {}, 2).first is None


@pytest.mark.parametrize("options", [{"at": "3", "retrain": True}, {"edge": ["a"]}])
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(typer.Exit) as ended:
        replay_("x", **{"at": None, "retrain": False, "edge": None, **options})
    assert ended.value.exit_code == 2


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [(ONE, ONE, None), (None, None, None), (ONE, None, "was not done again here")],
)
def test_what_an_edge_began_from_otherwise_is_not_called_different(
    then: MessageId | None, now: MessageId | None, words: str | None
) -> None:
    found = began_apart(then, now)
    assert found is None if words is None else words in (found or "")
