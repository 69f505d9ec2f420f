"""Model files, fetched once for all cycles of an experiment."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Final

from bus.events.base import Digest
from bus.events.weights import SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import incoming

_LARGEST_BYTES: Final = 1024 * 1024
_MOST: Final = 16


class Codes:
    """The last few model files, in memory: on disk, the vendor's code lies only while it is used.

    Args:
        blobs: Where they come from.
        identity: Opens what is sealed for this edge.
    """

    def __init__(self, blobs: Blobs, identity: Identity) -> None:
        self._blobs = blobs
        self._identity = identity
        self._known: OrderedDict[tuple[str, Digest], bytes] = OrderedDict()

    async def write(self, code: SealedObject, path: Path) -> None:
        """Write a model file to ``path``.

        Raises:
            MusterError: As ``incoming.download_file``.
        """
        place = code.address, code.digest
        if (content := self._known.get(place)) is not None:
            await asyncio.to_thread(path.write_bytes, content)
        else:
            await incoming.download_file(self._blobs, code, self._identity, path)
            if code.size_bytes > _LARGEST_BYTES:
                return
            content = await asyncio.to_thread(path.read_bytes)
        self._known[place] = content
        self._known.move_to_end(place)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
