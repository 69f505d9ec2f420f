"""Asking a server whether it still stores what it is given.

A server whose disk was full for a moment goes on taking connections, but answers no append to the streams concerned
any more, and does not recover when there is room again (observed on 2.15.1). It says so to users of its system
account only, which is why the watcher has a credential of its own, in an account of its own.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Final, Self

import nkeys

from bus.errors import Denied, Invalid, Unavailable
from bus.jetstream.session import Session

HEALTH: Final = "$SYS.REQ.SERVER.PING.HEALTHZ"
INBOX: Final = "_INBOX_watcher"
_ANSWER_S: Final = 3.0


@dataclass(frozen=True)
class Watcher:
    """May ask a server how it is, and nothing else.

    Attributes:
        nkey: Its public key.
        seed: Its private key.
    """

    nkey: str
    seed: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """With a fresh key, which is kept in memory only."""
        seed = bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
        return cls(nkeys.from_seed(seed).public_key.decode(), seed)

    async def trouble(self, url: str) -> str | None:
        """What keeps the server at ``url`` from storing messages.

        ``None`` if nothing does, or if it does not answer at all: that shows in other ways.
        """
        try:
            session = await Session.open(url, name="watcher", nkey_seed=self.seed, inbox=INBOX, timeout_s=_ANSWER_S)
        except (Unavailable, Denied):
            return None
        try:
            reply = await session.request(HEALTH, b"", timeout_s=_ANSWER_S)
            health = json.loads(reply.data).get("data", {})
        except (Unavailable, Denied, Invalid, ValueError):
            return None
        finally:
            await session.close()
        if health.get("status") == "ok":
            return None
        return str(health.get("error") or health)
