"""What leaves an edge: sealed weights, then the event that tells of them. Sending again sends the same bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from bus.events.weights import SealedObject
from bus.identity.directory import Directory
from bus.runtime.service import Context
from bus.weights import encoded, outgoing
from bus.weights.stores import choose
from bus.wire.subjects import weights_address
from edge_daemon.domain.jobs import Job, said
from edge_daemon.encoding import FRAMES, layout_of
from edge_daemon.settings import EdgeSettings

AGGREGATOR: Final = "aggregator"


class Outbox:
    """Sends what jobs came to.

    Args:
        context: Of the edge.
        directory: Knows whom to seal for.
    """

    def __init__(self, context: Context[EdgeSettings], directory: Directory) -> None:
        self._context = context
        self._directory = directory

    async def send(self, job: Job, weights: Path) -> None:
        """Seal and upload the weights of a job, if it has any, and say what came of it.

        Raises:
            Unavailable: The bus is away; send again.
            MusterError: It cannot be said at all.
        """
        assert job.outcome is not None
        sealed = await self._upload(job, weights) if job.outcome.has_weights else None
        await self._context.voice.say(said(job, sealed), owner=job.owner, cause=job.record)

    async def _upload(self, job: Job, weights: Path) -> SealedObject:
        identity, command = self._context.voice.identity, job.command
        name = f"update-{command.cycle}-{command.trial}"
        address = weights_address(job.owner, identity.principal, command.experiment, name)
        recipient = self._directory[AGGREGATOR]  # type: ignore[index]
        recipients: dict[str, MLKEM768X25519PublicKey] = {recipient.principal: recipient.sealing}
        found = await asyncio.to_thread(layout_of, weights)
        blobs = self._context.broker.blobs()

        def store(size: int) -> str:
            return choose(command.store, size, self._context.settings.s3_from_bytes)

        outcome = job.outcome
        if outcome is not None and outcome.encoded is not None:
            return await encoded.upload(
                blobs,
                weights.with_name(FRAMES),
                address,
                identity,
                recipients,
                encoded=outcome.encoded,
                size_bytes=found.size_bytes,
                layout=found.digest,
                store=store,
            )
        sealed = await outgoing.upload_file(
            blobs, weights, address, identity, recipients, layout=found.digest, store=store
        )
        return sealed.model_copy(update={"members": found.members or None})
