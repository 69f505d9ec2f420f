"""The table: what can be done to a sealed body or to what is said of it, and how it is found.

``docs/explanation/weights.md`` shows the same table; a test compares them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from safetensors.numpy import load, save

from bus.events.weights import JETSTREAM, S3, SealedObject
from bus.wire import subjects
from support.victim import Victim

Act = Callable[[Victim], Awaitable[SealedObject | None]]
"""Does it; gives the reference that is told then, if it is not the true one."""

EVERYBODY: Final = ("update", "model", "code", "result", "replay")
"""Who reads what: the aggregator an update, an edge the global model or the model file, the vendor the result, and a
replay."""
NOWHERE: Final = ""
"""As an address: the event tells of no body at all."""
UPDATES: Final = ("update", "replay")


@dataclass(frozen=True)
class Attack:
    """One line of the table.

    Attributes:
        what: Was done.
        found: By what it is noticed.
        code: Of the error.
        act: Does it.
        readers: Whom it can hit.
        stores: Where it can be done.
    """

    what: str
    found: str
    code: str
    act: Act
    readers: tuple[str, ...] = EVERYBODY
    stores: tuple[str, ...] = (JETSTREAM, S3)


ATTACKS: Final[list[Attack]] = []
SEAL: Final = "the chunk's seal"
KEY: Final = "the key's seal"
ABSENCE: Final = "what is not there"
REFERENCE: Final = "the reference, before anything is read"
CITATION: Final = "whose work the event cites"
HEADER: Final = "the body's own header"


def _attack(
    what: str,
    found: str,
    code: str,
    *,
    readers: tuple[str, ...] = EVERYBODY,
    stores: tuple[str, ...] = (JETSTREAM, S3),
) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        ATTACKS.append(Attack(what, found, code, act, readers, stores))
        return act

    return register


# ---- chunks ----


@_attack("a bit flipped at the beginning of the first chunk", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.flip(0, 0)


@_attack("a bit flipped in the middle of a chunk", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.flip(1, 250_000)


@_attack("a bit flipped in a chunk's tag", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.flip(1, -16)


@_attack("the last bit of the last chunk flipped", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.flip(victim.last, -1)


@_attack("the first chunk missing", ABSENCE, "blob.missing")
async def _(victim: Victim) -> None:
    await victim.drop(0)


@_attack("a chunk in the middle missing", ABSENCE, "blob.missing")
async def _(victim: Victim) -> None:
    await victim.drop(1)


@_attack("the last chunk cut off", ABSENCE, "blob.missing")
async def _(victim: Victim) -> None:
    await victim.drop(victim.last)


@_attack("the last chunk cut off, and the event's size made to fit", SEAL, "seal.broken")
async def _(victim: Victim) -> SealedObject:
    await victim.drop(victim.last)
    return victim.sealed.model_copy(update={"size_bytes": victim.last * victim.sealed.chunk_bytes})


@_attack("two chunks swapped", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    one, other = await victim.chunk(0), await victim.chunk(1)
    await victim.write(0, other)
    await victim.write(1, one)


@_attack("a chunk repeated in place of the next", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.write(1, await victim.chunk(0))


@_attack("a chunk cut short by one byte", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.write(1, (await victim.chunk(1))[:-1])


@_attack("a chunk emptied", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.write(1, b"")


@_attack("a chunk lengthened by one byte", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.write(1, await victim.chunk(1) + b"\0")


@_attack("a chunk of many megabytes", "its size, before it is read", "s3.oversize", stores=(S3,))
async def _(victim: Victim) -> None:
    await victim.write(1, bytes(8 * 1024**2))


@_attack("a chunk of another cycle of the same speaker", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.take_over(await victim.other(name="update-2-train-1-1"), key=False, only=1)


@_attack("a chunk of another trial of the same cycle", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.take_over(await victim.other(name="update-1-train-1-2"), key=False, only=1)


@_attack("a chunk of another edge", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.take_over(await victim.other(speaker="hospital-c", name="spare"), key=False, only=1)


@_attack("a chunk of another experiment", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.take_over(await victim.other(experiment="OTHER"), key=False, only=1)


@_attack("the whole body of another edge, its key left where it was", SEAL, "seal.broken")
async def _(victim: Victim) -> None:
    await victim.take_over(await victim.other(speaker="hospital-c", name="spare"), key=False)


@_attack("the whole body of another edge with its key", KEY, "seal.key")
async def _(victim: Victim) -> None:
    await victim.take_over(await victim.other(speaker="hospital-c", name="spare"), key=True)


# ---- keys ----


@_attack("the wrapped key of another recipient", KEY, "seal.key")
async def _(victim: Victim) -> None:
    other = await victim.other(name="spare", recipient="globex")
    await victim.lock(await victim.blobs.get(subjects.wrapped_key(other.address, "globex")))


@_attack("the wrapped key of another body", KEY, "seal.key")
async def _(victim: Victim) -> None:
    other = await victim.other(name="spare")
    await victim.lock(await victim.blobs.get(subjects.wrapped_key(other.address, victim.reader)))


@_attack("a bit flipped at the beginning of the wrapped key", KEY, "seal.key")
async def _(victim: Victim) -> None:
    wrapped = await victim.wrapped()
    wrapped[0] ^= 1
    await victim.lock(wrapped)


@_attack("the last bit of the wrapped key flipped", KEY, "seal.key")
async def _(victim: Victim) -> None:
    wrapped = await victim.wrapped()
    wrapped[-1] ^= 1
    await victim.lock(wrapped)


@_attack("the wrapped key cut short", KEY, "seal.key")
async def _(victim: Victim) -> None:
    await victim.lock((await victim.wrapped())[:100])


@_attack("the wrapped key emptied", KEY, "seal.key")
async def _(victim: Victim) -> None:
    await victim.lock(b"")


@_attack("the wrapped key missing", ABSENCE, "seal.recipient")
async def _(victim: Victim) -> None:
    await victim.lose_key()


# ---- what is said of a body, by somebody who can sign ----


@_attack("another digest", "the digest, when all was read", "weights.digest")
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"digest": "sha256:" + "0" * 64})


@_attack("one byte less than there is", SEAL, "seal.broken")
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"size_bytes": victim.sealed.size_bytes - 1})


@_attack("a chunk more than there is", SEAL, "seal.broken")
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"size_bytes": victim.sealed.size_bytes + victim.sealed.chunk_bytes})


@_attack("a size below nothing", REFERENCE, "weights.reference")
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"size_bytes": -1})


@_attack("more chunks than can be counted", REFERENCE, "weights.reference")
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"size_bytes": 2**62})


@_attack("chunks of no byte", REFERENCE, "weights.reference")
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"chunk_bytes": 0})


@_attack("smaller chunks than there are", SEAL, "seal.broken", readers=("model", "code", "result"))
@_attack("smaller chunks than the others have", CITATION, "weights.layout", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"chunk_bytes": victim.sealed.chunk_bytes // 2})


@_attack("an address with a wildcard", REFERENCE, "weights.reference")
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"address": "w.acme.*.*.>"})


@_attack("the other store", ABSENCE, "blob.missing", readers=("model", "code", "result"))
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"store": JETSTREAM if victim.sealed.store == S3 else S3})


@_attack("the broker's store, where nothing is", ABSENCE, "blob.missing", readers=UPDATES, stores=(S3,))
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"store": JETSTREAM})


@_attack("a store that the plan excludes", CITATION, "update.store", readers=UPDATES, stores=(JETSTREAM,))
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"store": S3})


@_attack("a store that nobody knows", "the reader's settings", "store.unknown", readers=("model", "code", "result"))
@_attack("an update's store that nobody knows", CITATION, "update.store", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"store": "tape"})


@_attack("no weights at all", CITATION, "update.empty", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"address": NOWHERE})


@_attack("the address of another edge's update", CITATION, "update.address", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    assert victim.neighbour is not None
    return victim.neighbour


@_attack("the address of the same edge's update in another cycle", CITATION, "update.address", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return await victim.other(name="update-2-train-1-1")


@_attack("the address of the same edge's update in another attempt", CITATION, "update.address", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return await victim.other(name="update-1-train-2-1")


@_attack("the address of the same edge's update in another trial", CITATION, "update.address", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return await victim.other(name="update-1-train-1-2")


@_attack("the address of the same edge's update in another experiment", CITATION, "update.address", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return await victim.other(experiment="OTHER", name="update-1-train-1-1")


@_attack("the global model itself, as an update", CITATION, "update.address", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return await victim.other(speaker="aggregator", name="model-0-initialise-1-1")


@_attack("an edge's body in place of the global model", REFERENCE, "weights.place", readers=("model",))
async def _(victim: Victim) -> SealedObject:
    return await victim.other(speaker="hospital-c", name="spare")


@_attack("another vendor's model file or model", REFERENCE, "weights.place", readers=("model", "code"))
async def _(victim: Victim) -> SealedObject:
    address = victim.sealed.address.replace("w.acme.", "w.globex.", 1)
    return victim.sealed.model_copy(update={"address": address})


@_attack("the digest of another header", CITATION, "weights.layout", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return victim.sealed.model_copy(update={"layout": "sha256:" + "0" * 64})


# ---- bodies that their own sealer made otherwise ----


@_attack("a body with another header than its event names", HEADER, "weights.layout", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    tensors = {name + "2": values for name, values in load(victim.plain.read_bytes()).items()}
    return await _forged(victim, body_of(tensors))


@_attack("a header that speaks of more bytes than there are", HEADER, "weights.length", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return await _forged(victim, victim.plain.read_bytes()[:-4])


@_attack("a header that speaks of fewer bytes than there are", HEADER, "weights.length", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    return await _forged(victim, victim.plain.read_bytes() + bytes(victim.sealed.chunk_bytes))


@_attack("no header, or one that never ends", HEADER, "weights.format", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    plain = bytearray(victim.plain.read_bytes())
    plain[:8] = (2**24).to_bytes(8, "little")
    return await _forged(victim, bytes(plain))


@_attack("chunks cut elsewhere, by who sealed them", SEAL, "seal.broken", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    plain, size = victim.plain.read_bytes(), victim.sealed.chunk_bytes
    pieces = [plain[: size - 4], plain[size - 4 : 2 * size], plain[2 * size :]]
    return await _forged(victim, plain, pieces=pieces)


@_attack("numbers that are none", "the numbers", "weights.not_finite", readers=UPDATES)
async def _(victim: Victim) -> SealedObject:
    tensors = load(victim.plain.read_bytes())
    tensors["w"] = np.array(tensors["w"])
    tensors["w"][-1] = np.nan
    return await _forged(victim, body_of(tensors))


async def _forged(victim: Victim, plain: bytes, **lies: object) -> SealedObject:
    """A body of the edge's own making at its own address; the event tells of it as it is, but for the layout."""
    digest = f"sha256:{hashlib.sha256(plain).hexdigest()}"
    return await victim.forged(plain, subjects.address_parts(victim.sealed.address)[3], digest=digest, **lies)


def body_of(tensors: dict[str, np.ndarray]) -> bytes:
    return save(tensors, {"muster": json.dumps({"reductions": dict.fromkeys(tensors, "mean")})})
