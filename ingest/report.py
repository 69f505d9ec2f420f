"""What an ingest tells: to its caller, and in a file of errors that stays at the site."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from bus.errors import Configuration, Invalid
from ingest.domain.findings import Finding, Verdict
from ingest.domain.profile import DatasetProfile, Split
from ingest.domain.validation import Examined


@dataclass(frozen=True)
class SplitReport:
    """What became of one file.

    Attributes:
        read: Records in the file.
        stored: Records that this run stored; 0 when they were there already.
        verdict: Warnings. They may quote the file, so they stay at the site.
    """

    read: int
    stored: int
    verdict: Verdict


@dataclass(frozen=True)
class IngestReport:
    """The outcome of an ingest that succeeded.

    Attributes:
        profile: Of the dataset after the load: all of it may leave the site.
        revision: Of the dataset; grows with every load.
        splits: What became of each file of this run.
    """

    profile: DatasetProfile
    revision: int
    splits: Mapping[Split, SplitReport]


class Rejected(Invalid):
    """Files have errors, and nothing was stored. The message holds no cell.

    Args:
        message: The number of errors and the first of them.
        examined: Split -> what was found in its file. It quotes the file, so it stays at the site.
    """

    family = "invalid"

    def __init__(self, message: str, examined: Mapping[Split, Examined]) -> None:
        errors = sum(each.verdict.errors for each in examined.values())
        failed = sum(each.failed for each in examined.values())
        super().__init__(message, code="ingest.rejected", errors=errors, failed=failed)
        self.examined = examined


class FailureFile:
    """Errors, one JSON object a line: ``{"file", "severity", "code", "message", "line", "column", "found"}``.

    Args:
        file: Open for writing; ``None`` writes nothing.
    """

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file
        self.empty = True

    def of(self, source: Path) -> Callable[[Finding], None]:
        """What writes down the errors of one file."""

        def add(finding: Finding) -> None:
            self.empty = False
            if self._file is not None:
                line = json.dumps({"file": str(source), **asdict(finding)}, ensure_ascii=False)
                self._file.write(line + "\n")

        return add


@contextmanager
def failure_file(path: Path | None) -> Iterator[FailureFile]:
    """A file for errors that only its owner may read; it takes the place of an older one when it is complete.

    Without any error there is no file afterwards.

    Raises:
        Configuration: It cannot be written.
    """
    if path is None:
        yield FailureFile(None)
        return
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.unlink(missing_ok=True)
        file = os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except OSError as error:
        raise Configuration(
            f"the report {path} cannot be written: {error.strerror}; name another path", code="report.write"
        ) from error
    with file:
        failures = FailureFile(file)
        yield failures
    if failures.empty:
        unfinished.unlink()
        path.unlink(missing_ok=True)
    else:
        unfinished.replace(path)
