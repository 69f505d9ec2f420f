"""What is asked of an edge's data and jobs when a run is to be proved, and what it answers.

One JSON object per line: the first line is an answer to no question and says whether the rest can be answered at all;
then each question gets one answer.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bus.events.base import DatasetId, Digest
from bus.events.cycles import RunCycle
from edge_daemon.domain.jobs import Outcome


class Question(BaseModel):
    """Exactly one of both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: DatasetId | None = None
    """What does the data store hold under this name?"""
    command: RunCycle | None = None
    """What comes of this command now?"""


class Answer(BaseModel):
    """What is asked for, or a problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Digest | None = None
    """Of what a result depends on besides its inputs; in the first answer."""
    profile: str | None = None
    """The dataset as ``ingest`` describes it, JSON; ``None`` if there is none."""
    outcome: Outcome | None = None
    digest: Digest | None = None
    """Of the weights; of their frames, if they are encoded."""
    weights: Path | None = None
    """Where the weights lie until the next question, or their frames."""
    problem: str | None = None
    code: str | None = None
    """Of the problem."""
