"""Reading what a worker wrote, which may be anything: the vendor's code ran in it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.contract.archive import MAX_ARCHIVE_BYTES
from training.contract.model import sources_of
from training.contract.source import MAX_BYTES
from training.errors import SAYABLE, Category, Phase, TrainingError, egress_error
from training.scores import Score
from training.scoring.tallies import Tally
from training.weights import check_weights
from training.worker.config import ERROR, METRICS, PROGRESS, WEIGHTS, Task
from training.worker.tallies import read_tallies
from training.worker.trace import Said, redacted

_MAX_JSON_BYTES: Final = 256 * 1024
_MAX_SCORES: Final = 200
_MAX_TALLIES: Final = 8
_MAX_TEXT: Final = 500
OTHER: Final = "worker.other"
"""Stands for every code that is none of ours: what a worker says is not passed on word for word."""
_M = TypeVar("_M", bound=BaseModel)
_Word = Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Score(_Strict):
    name: _Word
    split: _Word
    stage: _Word
    value: float | None
    reason: str | None = Field(default=None, max_length=_MAX_TEXT)
    count: int = Field(ge=0)


class _Metrics(_Strict):
    examples: int
    scores: list[_Score] = Field(max_length=_MAX_SCORES)
    tallies: list[Any] = Field(default=[], max_length=_MAX_TALLIES)


class _Error(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    category: Category
    code: _Word
    message: str
    phase: Phase | None = None
    trace: Said | None = None


class Progress(_Strict):
    """How far a worker says it is."""

    done: int = Field(ge=0)
    total: int = Field(ge=0)
    loss: float | None = None


class Result(BaseModel):
    """What a worker did.

    Attributes:
        weights: Checked file; ``None`` where the task writes none.
        examples: Rows used.
        scores: Its metrics.
        tallies: What adds up over edges, of sets of rows that it gave metrics of.
    """

    model_config = ConfigDict(frozen=True)

    weights: Path | None
    examples: int
    scores: tuple[Score, ...]
    tallies: tuple[Tally, ...] = ()


def read_result(
    output: Path,
    task: Task,
    *,
    reference: Path | None,
    rows: int,
    max_bytes: int,
    classes: int | None = None,
    scored_rows: int | None = None,
) -> Result:
    """What a worker that ended well has written, checked.

    Args:
        output: Its output directory.
        task: What it was asked for.
        reference: Weights whose form its own must have, if any.
        rows: Rows that it was given: it cannot have used more.
        max_bytes: Most that may leave.
        classes: How many there are; ``None`` where the target is a number.
        scored_rows: Most rows that metrics can be of, if not ``rows``: models may be scored on others too.

    Raises:
        TrainingError: Something is missing, malformed, impossible or may not leave.
    """
    metrics = _read(output / METRICS, _Metrics)
    if metrics is None:
        raise egress_error("metrics.format", f"the worker wrote no usable {METRICS}")
    least = 0 if task is Task.EVALUATE else 1
    if not least <= metrics.examples <= rows:
        raise egress_error(
            "metrics.examples", f"the worker says that it used {metrics.examples} rows; it was given {rows}"
        )
    weights = None
    if task.writes_weights:
        weights = output / WEIGHTS
        check_weights(weights, reference=reference, max_bytes=max_bytes)
    scores = tuple(_score(score, rows if scored_rows is None else scored_rows) for score in metrics.scores)
    return Result(
        weights=weights,
        examples=metrics.examples,
        scores=scores,
        tallies=tuple(read_tallies(metrics.tallies, {(s.split, s.stage): s.count for s in scores}, classes)),
    )


def read_error(output: Path, model: Path, task: Task) -> TrainingError | None:
    """Why the worker says that it failed; ``None`` if it does not say.

    Args:
        output: Its output directory.
        model: The model file that it was given.
        task: What it was asked for.
    """
    error = _read(output / ERROR, _Error)
    if error is None:
        return None
    return TrainingError(
        error.category,
        error.code if error.code in SAYABLE else OTHER,
        " ".join(error.message.split())[:_MAX_TEXT],
        # Only the daemon fetches, exports and checks; a worker that speaks of these is not believed.
        phase=error.phase if error.phase in {Phase.START, Phase.IMPORT} else task.phase,
        trace=redacted(error.trace, _sources(model)) if error.trace is not None else (),
    )


def read_progress(output: Path, offset: int) -> tuple[Progress | None, int]:
    """The newest whole line of progress behind ``offset``, and the offset behind it."""
    path = output / PROGRESS
    try:
        if path.is_symlink() or not path.is_file():
            return None, offset
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_MAX_JSON_BYTES)
    except OSError:
        return None, offset
    whole, _, _ = data.rpartition(b"\n")
    if not whole:
        return None, offset
    try:
        return Progress.model_validate_json(whole.rpartition(b"\n")[2]), offset + len(whole) + 1
    except ValidationError:
        return None, offset + len(whole) + 1


def used_bytes(directory: Path) -> int:
    """Bytes on disk below ``directory``; links are counted as themselves."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except OSError:
            continue
    return total


def _read(path: Path, model: type[_M]) -> _M | None:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_JSON_BYTES:
            return None
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _sources(model: Path) -> dict[str, str]:
    """The submitted Python files; none of one that cannot be read, of which nothing has run."""
    try:
        with model.open("rb") as file:
            found = sources_of(file.read(MAX_ARCHIVE_BYTES))
        return {name: source[:MAX_BYTES].decode("utf-8", "replace") for name, source in found.items()}
    except (OSError, TrainingError):
        return {}


def _score(score: _Score, rows: int) -> Score:
    finite = score.value is not None and math.isfinite(score.value)
    reason = score.reason or ("no reason given" if score.value is None else "the value is not finite")
    return Score(
        name=score.name,
        split=score.split,
        stage=score.stage,
        value=score.value if finite else None,
        reason=None if finite else reason,
        count=min(score.count, rows),
    )
