"""One closed cycle's updates into one sealed outcome: download, combine, seal and upload, a row at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgpack
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from aggregator.domain.combine import Combiner
from bus.errors import Configuration, Integrity, Unavailable
from bus.events.base import Digest, OwnerId, PrincipalId
from bus.events.cycles import CycleClosed, CycleKind, UpdateSealed
from bus.events.weights import SealedObject
from bus.identity.directory import Directory
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import sealing, transfer
from bus.weights.lockstep import BodyFailed, lockstep
from bus.weights.sealing import Seal
from bus.weights.stores import choose
from bus.wire.subjects import weights_address

_WINDOW: Final = 2
"""Chunks of each update asked for ahead: memory grows by two chunks per edge, whatever the model's size."""
ARITHMETIC: Final = "correctly rounded mean v1"
"""Names what turns inputs into bytes. It changes when the same inputs could give other bytes, so that a file key
never seals two plaintexts."""


class Averaging:
    """Computes outcomes.

    Args:
        blobs: Where updates are and outcomes go.
        identity: The aggregator's.
        directory: Whom outcomes can be sealed for.
        s3_from_bytes: Outcomes of this size and more go to S3 if the plan leaves it open; ``None`` for none.
    """

    def __init__(
        self, blobs: Blobs, identity: Identity, directory: Directory, s3_from_bytes: int | None = None
    ) -> None:
        self._blobs = blobs
        self._s3_from_bytes = s3_from_bytes
        self._identity = identity
        self.directory = directory

    async def average(
        self,
        closed: CycleClosed,
        owner: OwnerId,
        updates: Mapping[PrincipalId, UpdateSealed],
        weights: Sequence[int],
    ) -> SealedObject:
        """Combine ``updates``, seal the outcome for the recipients that ``closed`` names, and store it.

        Args:
            closed: The closing.
            owner: Of the experiment.
            updates: By edge.
            weights: Of each update, in the order of the closing.

        Raises:
            BodyFailed: An update cannot be used; its index is that in ``closed.included``.
            Unavailable: The store is away; call again.
        """
        bodies = _bodies(closed, updates)
        address = self._address(closed, owner)
        key = sealing.file_key(self._identity, address, _context(bodies, weights, closed))
        size = bodies[0].size_bytes
        store = choose(closed.store, size, self._s3_from_bytes)
        self._require({store, *(body.store for body in bodies)})
        upload = transfer.Upload(self._blobs, Seal(key, address, size), address, store)
        combiner = Combiner(weights)
        streams = [transfer.download(self._blobs, body, self._identity, window=_WINDOW) for body in bodies]
        try:
            async for row in lockstep(streams):
                for chunk in await asyncio.to_thread(combiner.take, row):
                    await upload.send(chunk)
            combiner.finish()
            return await upload.finish(key, self._recipients(closed), combiner.layout.digest)
        finally:
            await upload.abandon()
            for stream in streams:
                await stream.aclose()

    def _require(self, stores: set[str]) -> None:
        """Wait for the operator where our own settings lack a store: no edge is to blame.

        Raises:
            Unavailable: This process knows no such store.
        """
        try:
            for store in sorted(stores):
                self._blobs.at(store)
        except Configuration as error:
            raise Unavailable(error.message, code="store.unknown") from error

    def _address(self, closed: CycleClosed, owner: OwnerId) -> str:
        name = f"model-{closed.cycle}-{closed.revision}"
        return weights_address(owner, self._identity.principal, closed.experiment, name)

    def _recipients(self, closed: CycleClosed) -> dict[str, MLKEM768X25519PublicKey]:
        return {name: self.directory[name].sealing for name in closed.recipients}


def _bodies(closed: CycleClosed, updates: Mapping[PrincipalId, UpdateSealed]) -> list[SealedObject]:
    """The updates' bodies, in the order of the closing.

    Raises:
        BodyFailed: One is missing, or laid out unlike the others.
    """
    expected = _expected_layout(closed, updates)
    bodies = []
    for index, contribution in enumerate(closed.included):
        body = updates[contribution.edge].weights
        if body is None:
            raise BodyFailed(index, Integrity("the update has no weights", code="update.empty"))
        if body.layout != expected:
            raise BodyFailed(
                index,
                Integrity("its tensors differ in name, type, shape or order from the model's", code="weights.layout"),
            )
        bodies.append(body)
    return bodies


def _expected_layout(closed: CycleClosed, updates: Mapping[PrincipalId, UpdateSealed]) -> Digest | None:
    """The global model's layout in training; before there is a model, the one that most edges use."""
    if closed.cycle.kind is CycleKind.TRAIN and closed.model is not None:
        return closed.model.layout
    counted = Counter(update.weights.layout for _, update in sorted(updates.items()) if update.weights)
    return counted.most_common(1)[0][0] if counted else None


def _context(bodies: list[SealedObject], weights: Sequence[int], closed: CycleClosed) -> bytes:
    """Everything that the outcome's bytes depend on."""
    inputs = [[body.digest, weight] for body, weight in zip(bodies, weights, strict=True)]
    packed: bytes = msgpack.packb([ARITHMETIC, closed.strategy.model_dump(), inputs])
    return packed
