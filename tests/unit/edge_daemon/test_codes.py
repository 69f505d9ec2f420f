"""Model files, fetched once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import NotFound
from bus.events.base import OwnerId, PrincipalId, Role
from bus.events.weights import SealedObject
from bus.identity.keys import Identity, sealing_key_from_bytes
from bus.memory import MemoryBroker
from bus.weights import outgoing
from edge_daemon.codes import Codes


async def sent(broker: MemoryBroker, identity: Identity, path: Path, name: str, content: bytes) -> SealedObject:
    path.write_bytes(content)
    recipients = {identity.principal: sealing_key_from_bytes(identity.sealing.public_bytes)}
    return await outgoing.upload_file(broker.blobs(), path, f"w.acme.acme.01X.{name}", identity, recipients)


async def test_a_file_is_fetched_once_and_written_as_often_as_wanted(tmp_path: Path) -> None:
    broker, identity = MemoryBroker(), Identity.generate(PrincipalId("hospital-a"), Role.EDGE, OwnerId("hospital-a"))
    code = await sent(broker, identity, tmp_path / "a.py", "code", b"one")
    codes = Codes(broker.blobs(), identity)
    await codes.write(code, tmp_path / "first.py")
    await broker.blobs().delete(f"{code.address}.>")
    await codes.write(code, tmp_path / "again.py")
    assert (tmp_path / "first.py").read_bytes() == (tmp_path / "again.py").read_bytes() == b"one"


async def test_what_is_too_large_and_what_was_not_used_for_long_is_fetched_again(tmp_path: Path) -> None:
    broker, identity = MemoryBroker(), Identity.generate(PrincipalId("hospital-a"), Role.EDGE, OwnerId("hospital-a"))
    large = await sent(broker, identity, tmp_path / "large.py", "large", bytes(2 * 1024 * 1024))
    small = [await sent(broker, identity, tmp_path / "s.py", f"code{n}", b"%d" % n) for n in range(17)]
    codes = Codes(broker.blobs(), identity)
    for code in (large, *small):
        await codes.write(code, tmp_path / "model.py")
        await broker.blobs().delete(f"{code.address}.>")
    for forgotten in (large, small[0]):
        with pytest.raises(NotFound):
            await codes.write(forgotten, tmp_path / "model.py")
    await codes.write(small[1], tmp_path / "model.py")
