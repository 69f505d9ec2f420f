"""Whether an encoded update can be used at all: what an edge says of it is not believed."""

from __future__ import annotations

from bus.errors import Integrity
from bus.events import encodings
from bus.events.cycles import CycleClosed, CycleKind
from bus.events.weights import SealedObject


def check_encoded(update: SealedObject, closed: CycleClosed) -> None:
    """Do nothing, if ``update`` is not encoded, or is the difference to the model of the cycle, of the same size.

    Raises:
        Integrity: It is the difference to something else.
        Invalid: No such encoding is known, or it does not go with the strategy.
    """
    encoded, model = update.encoded, closed.model
    if encoded is None:
        return
    if closed.cycle.kind is not CycleKind.TRAIN or model is None or encoded.model != model.digest:
        raise Integrity(
            f"the update is encoded as the difference to {encoded.model[:19]}..., which is not the model that its "
            "cycle began with",
            code="encoding.model",
        )
    if (update.size_bytes, update.chunk_bytes) != (model.size_bytes, model.chunk_bytes):
        raise Integrity(
            f"the update has {update.size_bytes} bytes once decoded, and the model {model.size_bytes}",
            code="encoding.model",
        )
    encodings.check(encoded.encoding, closed.strategy.name)
