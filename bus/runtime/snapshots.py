"""Snapshots: how a service that folds the log starts quickly. A cache and nothing more.

One file: a line of JSON that says what it is, and the content. It is believed only if its digest holds, if it was
written for this form of the state, and if the log still has the message at which it was taken; else the log is folded
from its beginning, which always works.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

_log = logging.getLogger(__name__)

FORMAT: Final = "muster-snapshot-v1"


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    form: str
    position: int
    message: str
    digest: str


@dataclass(frozen=True)
class Snapshot:
    """A state at a position of the log.

    Attributes:
        position: Sequence of the last message that is in it.
        message: Id of that message.
        content: The state, as the service writes it.
    """

    position: int
    message: str
    content: bytes


class SnapshotFile:
    """Keeps the newest snapshot.

    Args:
        path: Of the file.
        form: Names what the content is; changes with it, so that an older release's snapshot is not misread.
    """

    def __init__(self, path: Path, form: str) -> None:
        self._path = path
        self._form = form

    def save(self, snapshot: Snapshot) -> None:
        """Replace the snapshot, whole or not at all; where there is no room for it, do without."""
        digest = hashlib.sha256(snapshot.content).hexdigest()
        head = _Head(
            format=FORMAT, form=self._form, position=snapshot.position, message=snapshot.message, digest=digest
        )
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(head.model_dump_json().encode() + b"\n" + snapshot.content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            _log.warning("no snapshot is kept, the next start takes longer: %s; free space there", error)
            temporary.unlink(missing_ok=True)

    def load(self) -> Snapshot | None:
        """The snapshot; ``None`` if there is none that can be believed."""
        try:
            line, _, content = self._path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("the snapshot cannot be read, the log is folded instead: %s", error)
            return None
        try:
            head = _Head.model_validate_json(line)
        except ValidationError:
            return self._distrust("it is garbage")
        if (head.format, head.form) != (FORMAT, self._form):
            return self._distrust("it was written by another release")
        if hashlib.sha256(content).hexdigest() != head.digest:
            return self._distrust("its digest does not hold")
        return Snapshot(head.position, head.message, content)

    @staticmethod
    def _distrust(reason: str) -> None:
        _log.warning("the snapshot is not used, the log is folded instead: %s", reason)
