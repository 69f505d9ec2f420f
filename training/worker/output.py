"""What a worker writes to its output directory."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.contract.report import Report
from training.errors import Category, TrainingError, described
from training.scores import Scored
from training.worker.config import ERROR, METRICS, PROGRESS, RESOURCES, VALIDATION
from training.worker.trace import taken


def in_our_words(error: Exception) -> TrainingError:
    """What an exception in a worker means."""
    if isinstance(error, TrainingError):
        return error
    if isinstance(error, MemoryError):
        return TrainingError(Category.RESOURCE, "resource.memory", "the worker ran out of its memory limit")
    if isinstance(error, OSError):
        return TrainingError(Category.RESOURCE, "resource.system", f"a system call failed: {error.strerror}")
    return TrainingError(Category.MODEL, "model.failed", f"the model's code failed: {described(error)}")


class Output:
    """An output directory.

    Args:
        directory: It exists and is empty.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._began = time.monotonic()

    def metrics(self, examples: int, scored: Iterable[Scored]) -> None:
        """Write how many rows were used, the metrics, and what adds up over edges."""
        said = tuple(scored)
        content = {
            "examples": examples,
            "scores": [score.model_dump(mode="json") for each in said for score in each.scores],
            "tallies": [each.tally.model_dump(mode="json") for each in said if each.tally is not None],
        }
        (self.directory / METRICS).write_text(json.dumps(content), encoding="utf-8")

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        """Add a line on how far the work is."""
        line = json.dumps({"done": done, "total": total, "loss": loss})
        with (self.directory / PROGRESS).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def validation(self, report: Report) -> None:
        """Write how far the checks of the model are; whole at every moment, since it may be read at any."""
        path = self.directory / VALIDATION
        new = path.with_suffix(".new")
        new.write_text(report.model_dump_json(), encoding="utf-8")
        new.replace(path)

    def resources(self) -> None:
        """Write what the worker used, as it sees it itself."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        content = {
            "wall_s": time.monotonic() - self._began,
            "cpu_s": used.ru_utime + used.ru_stime,
            "peak_memory_bytes": used.ru_maxrss * 1024,
        }
        (self.directory / RESOURCES).write_text(json.dumps(content), encoding="utf-8")

    def error(self, error: TrainingError, cause: BaseException, model: Path) -> None:
        """Write why the work failed.

        Args:
            error: In our words.
            cause: What was raised.
            model: The model file.
        """
        content: dict[str, Any] = {"category": error.category.value, "code": error.code, "message": error.message}
        content["phase"] = error.phase
        said = taken(cause, model)
        if said is not None:
            content["trace"] = said.model_dump()
        (self.directory / ERROR).write_text(json.dumps(content), encoding="utf-8")
