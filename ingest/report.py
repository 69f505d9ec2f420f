"""What an ingest tells: to its caller, and in a file of failed records that stays at the site."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from bus.errors import Configuration, Invalid
from ingest.domain.findings import Finding, Verdict
from ingest.domain.profile import DatasetProfile


@dataclass(frozen=True)
class IngestReport:
    """The outcome of an ingest that succeeded.

    Attributes:
        profile: Of the dataset after the load: all of it may leave the site.
        revision: Of the dataset; grows with every load.
        read: Records in the file.
        stored: Records that this run stored; 0 when they were there already.
        verdict: Warnings. They may quote the file, so they stay at the site.
        already: Whether the store held exactly this content before, so that nothing changed.
    """

    profile: DatasetProfile
    revision: int
    read: int
    stored: int
    verdict: Verdict
    already: bool

    @property
    def failed(self) -> int:
        """Records with errors: none, since a file with errors is refused as a whole (see ``Rejected``)."""
        return 0


class Rejected(Invalid):
    """The file has errors, and nothing was stored. The message holds no cell; ``verdict`` does.

    Args:
        message: The number of errors and the first of them.
        verdict: What was found. It quotes the file, so it stays at the site.
        read: Records in the file.
        failed: Records with errors.
    """

    family = "invalid"

    def __init__(self, message: str, *, verdict: Verdict, read: int, failed: int) -> None:
        super().__init__(message, code="ingest.rejected", errors=verdict.errors, read=read, failed=failed)
        self.verdict = verdict
        self.read = read
        self.failed = failed


class FailureFile:
    """Errors about records, one JSON object a line: ``{"line", "column", "code", "message", "found", ...}``.

    Args:
        file: Open for writing; ``None`` writes nothing.
    """

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file

    def add(self, finding: Finding) -> None:
        """Write one."""
        if self._file is not None:
            self._file.write(json.dumps(asdict(finding), ensure_ascii=False) + "\n")


@contextmanager
def failure_file(path: Path | None) -> Iterator[FailureFile]:
    """A file for errors that only its owner may read; it takes the place of an older one when it is complete.

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
        yield FailureFile(file)
    unfinished.replace(path)
