"""One closed cycle's updates into one sealed outcome: download, combine, seal and upload, a row at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgpack
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from aggregator.domain.recipe import Recipe
from bus.errors import Configuration, Unavailable
from bus.events.base import Digest, OwnerId, PrincipalId
from bus.events.cycles import CycleClosed, UpdateSealed
from bus.events.strategies import settled
from bus.events.weights import SealedObject
from bus.identity.directory import Directory
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import outgoing, sealing, uniting
from bus.weights.sealing import CHUNK_BYTES, Seal
from bus.weights.stores import choose
from bus.wire.subjects import weights_address

ARITHMETIC: Final = "strategies v1"
"""Names what turns inputs into bytes. It changes when the same inputs could give other bytes, so that a file key
never seals two plaintexts."""


@dataclass(frozen=True)
class Averaged:
    """What came of a closing.

    Attributes:
        model: The outcome.
        state: What the strategy keeps, if anything.
        selected: Edges that the strategy chose, if it chooses.
        members: Group of members -> edge -> how many it added; ``None`` if the outcome has none.
    """

    model: SealedObject
    state: SealedObject | None
    selected: tuple[PrincipalId, ...] | None
    members: dict[str, dict[PrincipalId, int]] | None = None


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
        most_bytes: int | None = None,
    ) -> Averaged:
        """Combine ``updates``, seal the outcome for the recipients that ``closed`` names, and store it.

        Args:
            closed: The closing.
            owner: Of the experiment.
            updates: By edge.
            most_bytes: Largest outcome allowed, if it has members and so may grow.

        Raises:
            BodyFailed: An update cannot be used; its index is that in ``closed.included``.
            Invalid: The strategy cannot work with this, or no usable model comes of it.
            Integrity: The last model or the strategy's state is not what its digest says.
            NotFound: One of them is no longer kept.
            Unavailable: The store is away; call again.
        """
        recipe = Recipe.of(closed, owner, updates)
        inputs = recipe.inputs
        store = choose(closed.store, inputs.updates[0].size_bytes, self._s3_from_bytes)
        self._require({store, *(body.store for body in inputs.bodies), *([inputs.state.store] if inputs.state else [])})
        chosen = await uniting.surveyed(self._blobs, self._identity, inputs, recipe.surveyor())
        combiner = recipe.combiner(chosen, most_bytes)
        context = _context(recipe)
        model: _Sink | None = None
        state: _Sink | None = None
        try:
            async for made in uniting.combined(self._blobs, self._identity, inputs, combiner):
                if made.chunks and model is None:
                    # Known only now: with members it depends on all headers.
                    size = combiner.layout.size_bytes
                    store = choose(closed.store, size, self._s3_from_bytes)
                    self._require({store})
                    model = self._sink("model", closed, owner, context, size, store)
                for chunk in made.chunks:
                    assert model is not None
                    await model.write(chunk)
                if made.state:
                    state = state or self._sink("state", closed, owner, context, combiner.state_bytes, store)
                    await state.write(made.state)
            kept = await state.finish(self._recipients([self._identity.principal])) if state is not None else None
            assert model is not None
            whole = await model.finish(self._recipients(closed.recipients), combiner.layout.digest)
            return Averaged(
                whole.model_copy(update={"members": combiner.layout.members or None}),
                kept,
                recipe.selected(chosen),
                recipe.members(combiner.added),
            )
        finally:
            for sink in (model, state):
                if sink is not None:
                    await sink.upload.abandon()

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

    def _sink(
        self, kind: str, closed: CycleClosed, owner: OwnerId, context: bytes, size_bytes: int, store: str
    ) -> _Sink:
        name = f"{kind}-{closed.cycle}-{closed.revision}"
        address = weights_address(owner, self._identity.principal, closed.experiment, name)
        key = sealing.file_key(self._identity, address, context)
        return _Sink(outgoing.Upload(self._blobs, Seal(key, address, size_bytes), address, store), key)

    def _recipients(self, names: Iterable[PrincipalId]) -> dict[str, MLKEM768X25519PublicKey]:
        return {name: self.directory[name].sealing for name in names}


class _Sink:
    """Sends bytes in chunks of the size that seals have.

    Args:
        upload: Where to.
        key: Its file key.
    """

    def __init__(self, upload: outgoing.Upload, key: bytes) -> None:
        self.upload = upload
        self._key = key
        self._buffer = bytearray()

    async def write(self, data: bytes) -> None:
        """Take more bytes in."""
        if not self._buffer and len(data) == CHUNK_BYTES:
            await self.upload.send(data)
            return
        self._buffer += data
        while len(self._buffer) >= CHUNK_BYTES:
            await self.upload.send(bytes(self._buffer[:CHUNK_BYTES]))
            del self._buffer[:CHUNK_BYTES]

    async def finish(
        self, recipients: Mapping[str, MLKEM768X25519PublicKey], layout: Digest | None = None
    ) -> SealedObject:
        """Send the rest; the reference."""
        if self._buffer:
            await self.upload.send(bytes(self._buffer))
        return await self.upload.finish(self._key, recipients, layout)


def _context(recipe: Recipe) -> bytes:
    """Everything that the outcome's bytes depend on."""
    inputs = recipe.inputs
    updates = [[*_said(body), weight] for body, weight in zip(inputs.updates, recipe.weights, strict=True)]
    beside = [None if body is None else body.digest for body in (inputs.previous, inputs.state)]
    packed: bytes = msgpack.packb([ARITHMETIC, settled(recipe.closed.strategy).model_dump(), updates, *beside])
    return packed


def _said(body: SealedObject) -> list[object]:
    """What an update's elements depend on: of an encoded one, what it is the difference to as well."""
    return [body.digest] if body.encoded is None else [body.digest, body.encoded.model_dump()]
