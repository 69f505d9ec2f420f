"""The log in a file, and the check of it that needs no federation.

An export is JSON lines: first ``{"format": ..., "anchor": {...}}``, then a line per message with ``sequence``,
``stored_at``, ``subject``, ``headers`` and ``data`` (base64).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from audit_sink.domain.verification import Verification, Verifier
from bus.errors import Invalid, NotFound
from bus.events import Role
from bus.events.base import OwnerId, PrincipalId
from bus.events.governance import Checkpointed
from bus.identity.directory import Principal
from bus.ports import Broker
from bus.wire.message import Message, Stored
from bus.wire.record import Record
from bus.wire.topology import StreamName
from muster.client import Client, connect
from muster.federation.layout import OPERATOR, Layout

FORMAT: Final = "muster-log-v1"
_EVERYTHING: Final = "ev.>"
_CHECKPOINTS: Final = "ev.federation.audit.>"
_SIGNING_S: Final = 10.0
M = TypeVar("M", bound=BaseModel)


class _Anchor(BaseModel):
    model_config = ConfigDict(frozen=True)

    principal: str
    role: Role
    owner: str
    signing_key: str
    sealing_key: str


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True)

    format: str
    anchor: _Anchor


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)

    sequence: int
    stored_at: datetime
    subject: str
    headers: dict[str, str]
    data: str


async def export_log(broker: Broker, anchor: Principal, path: Path) -> int:
    """Write the whole log to ``path``, which appears only when it is complete; returns the number of messages.

    Raises:
        Unavailable: The federation is away.
    """
    head = _Head(
        format=FORMAT,
        anchor=_Anchor(
            principal=anchor.principal,
            role=anchor.role,
            owner=anchor.owner,
            signing_key=anchor.signing_key.hex(),
            sealing_key=anchor.sealing_key.hex(),
        ),
    )
    temporary = path.with_name(f".{path.name}.part")
    count = 0
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(head.model_dump_json() + "\n")
            async for stored in broker.log(StreamName.EVENTS).read(_EVERYTHING):
                file.write(_line(stored) + "\n")
                count += 1
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _line(stored: Stored) -> str:
    message = stored.message
    return _Line(
        sequence=stored.sequence,
        stored_at=stored.stored_at,
        subject=message.subject,
        headers=dict(message.headers),
        data=base64.b64encode(message.data).decode("ascii"),
    ).model_dump_json()


def verify_file(path: Path, anchor: Principal | None = None) -> Verification:
    """Verify an export.

    Args:
        path: The file.
        anchor: The operator; ``None`` believes the one that the file names, which proves less: whoever wrote the file
            could have invented it.

    Raises:
        NotFound: There is no such file.
        Invalid: It is no export.
        Integrity: The log was changed.
    """
    lines = _lines(path)
    head = _parsed(_Head, next(lines, ""), 1)
    if head.format != FORMAT:
        raise Invalid(f"{path} has the format {head.format[:40]!r}, expected {FORMAT!r}", code="export.format")
    verifier = Verifier(anchor or _principal(head.anchor))
    for number, line in enumerate(lines, start=2):
        verifier.add(_stored(_parsed(_Line, line, number), number))
    return verifier.result()


async def verify_federation(layout: Layout) -> Verification:
    """Export the log of a running federation and verify the file.

    Raises:
        Unavailable: The federation does not run.
        Integrity: The log was changed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        async with connect(layout, OPERATOR) as client:
            await signed_for(client)
            await export_log(client.broker, Principal.load(layout.anchor), path)
        return await asyncio.to_thread(verify_file, path, Principal.load(layout.anchor))


async def signed_for(client: Client, timeout_s: float = _SIGNING_S) -> None:
    """Wait until a checkpoint covers what is on the log now, for ``timeout_s`` at most."""
    last = 0
    async for record in client.read(_EVERYTHING):
        if not isinstance(record.body, Checkpointed):
            last = record.sequence
    try:
        async with asyncio.timeout(timeout_s):
            async for record in client.read(_CHECKPOINTS, follow=True):
                if _covers(record, last):
                    return
    except TimeoutError:
        return


def _covers(record: Record, sequence: int) -> bool:
    return isinstance(record.body, Checkpointed) and record.body.size >= sequence


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}: write one with 'muster export'", code="export.missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read as an export: {error}", code="export.format") from error


def _parsed(model: type[M], line: str, number: int) -> M:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise Invalid(f"line {number} is not what an export has there", code="export.format") from error


def _stored(line: _Line, number: int) -> Stored:
    try:
        data = base64.b64decode(line.data, validate=True)
    except binascii.Error as error:
        raise Invalid(f"the data in line {number} are not base64", code="export.format") from error
    return Stored(Message(line.subject, line.headers, data), line.sequence, line.stored_at)


def _principal(anchor: _Anchor) -> Principal:
    try:
        keys = bytes.fromhex(anchor.signing_key), bytes.fromhex(anchor.sealing_key)
    except ValueError as error:
        raise Invalid("the anchor's keys in line 1 are not hexadecimal", code="export.format") from error
    return Principal(PrincipalId(anchor.principal), anchor.role, OwnerId(anchor.owner), *keys)
