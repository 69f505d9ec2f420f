"""The log in a file, and the check of it that needs no federation.

An export is JSON lines: first ``{"format": ..., "anchor": {...}}``, then a line per message with ``sequence``,
``stored_at``, ``subject``, ``headers`` and ``data`` (base64).
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from audit_sink.domain.verification import Verification, verify
from bus.errors import Integrity, Invalid, NotFound
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
        Invalid: Nothing can be written there.
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
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}; name another file", code="export.path") from error
    finally:
        with suppress(OSError):
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
        Integrity: The log was changed, or is not that of this operator.
    """
    lines = _lines(path)
    try:
        head = _Head.model_validate_json(next(lines, ""))
    except ValidationError as error:
        raise Invalid(
            f"{path} does not begin as an export does: write one with 'muster export'", code="export.format"
        ) from error
    if head.format != FORMAT:
        raise Invalid(f"{path} has the format {head.format[:40]!r}, expected {FORMAT!r}", code="export.format")
    named = _principal(head.anchor)
    if anchor is not None and anchor != named:
        raise Integrity(
            f"{path} names another operator than the one that is trusted here: it is the log of another federation "
            "(then say whom to trust with --anchor), or it was changed",
            code="export.anchor",
        )
    return verify((_stored(line, number) for number, line in enumerate(lines, start=2)), named)


async def verify_federation(layout: Layout, anchor: Principal | None = None) -> Verification:
    """Export the log of a running federation and verify the file.

    Args:
        layout: Where it is.
        anchor: The operator; ``None`` for the one that the federation's directory names.

    Raises:
        Unavailable: The federation does not run.
        Integrity: The log was changed, or is not that of this operator.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        async with connect(layout, OPERATOR) as client:
            await signed_for(client)
            await export_log(client.broker, Principal.load(layout.anchor), path)
        return await asyncio.to_thread(verify_file, path, anchor or Principal.load(layout.anchor))


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


def _stored(text: str, number: int) -> Stored:
    try:
        line = _Line.model_validate_json(text)
        data = base64.b64decode(line.data, validate=True)
    except ValueError as error:
        raise Integrity(
            f"line {number} is not what an export has there: the file was cut or changed; export the log again",
            code="export.damaged",
        ) from error
    return Stored(Message(line.subject, line.headers, data), line.sequence, line.stored_at)


def _principal(anchor: _Anchor) -> Principal:
    try:
        keys = bytes.fromhex(anchor.signing_key), bytes.fromhex(anchor.sealing_key)
    except ValueError as error:
        raise Invalid("the anchor's keys in line 1 are not hexadecimal", code="export.format") from error
    return Principal(PrincipalId(anchor.principal), anchor.role, OwnerId(anchor.owner), *keys)
