"""Bodies with members, united in runs and chunks of any size, without seals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from aggregator.domain.strategies.registry import STRATEGIES
from aggregator.domain.surveying import UniterSurveyor
from aggregator.domain.unite import Uniter
from bus.events.base import Digest
from bus.events.experiments import Strategy
from bus.events.strategies import settled
from bus.events.weights import SealedObject
from bus.weights.combining import Inputs
from bus.weights.layout import header_bytes, parse
from bus.weights.uniting import Uniting, stepped
from support.bodies import body

Groups = Mapping[str, Mapping[int, int]]


def told(content: bytes, **changes: object) -> SealedObject:
    """What an honest event says of a body."""
    layout = parse(content[: header_bytes(content)])
    return SealedObject(
        address="w.a.b.c.d",
        digest=Digest("sha256:x"),
        size_bytes=len(content),
        chunk_bytes=1,
        layout=layout.digest,
        members=dict(layout.members) or None,
    ).model_copy(update=changes)


@dataclass(frozen=True)
class United:
    """What came of a cycle."""

    model: bytes
    state: bytes
    added: Groups
    chosen: tuple[int, ...] | None


def unite(
    updates: Sequence[bytes],
    previous: bytes | None = None,
    examples: Sequence[int] | None = None,
    *,
    strategy: str = "fedavg",
    state: bytes | None = None,
    run_bytes: int = 64,
    chunk_bytes: int = 100,
    most_bytes: int | None = None,
    inputs: Inputs | None = None,
    **parameters: float,
) -> United:
    """One cycle: the updates, in the order of the closing, and the last global model."""
    whole = settled(Strategy(name=strategy, parameters=parameters))
    made = STRATEGIES[strategy](whole.parameters)
    weights = made.weights(examples or [1] * len(updates))
    inputs = inputs or Inputs([told(each) for each in updates], None if previous is None else told(previous))
    chosen = None
    if (survey := made.survey(len(updates))) is not None:
        surveyor = UniterSurveyor(survey, weights, run_bytes)
        asyncio.run(_ran(Inputs(inputs.updates), list(updates), None, surveyor, chunk_bytes))
        chosen = surveyor.choose()
    uniter = Uniter(weights, made, chosen, run_bytes=run_bytes, most_bytes=most_bytes)
    bodies = [*updates, *([] if previous is None else [previous])]
    model, kept = asyncio.run(_ran(inputs, bodies, state, uniter, chunk_bytes))
    assert len(model) == uniter.layout.size_bytes
    assert len(kept) == uniter.state_bytes
    return United(model, kept, uniter.added, chosen)


async def _ran(
    inputs: Inputs, bodies: list[bytes], state: bytes | None, uniting: Uniting, chunk_bytes: int
) -> tuple[bytes, bytes]:
    old = None if state is None else _chunks(state, chunk_bytes)
    model, kept = b"", b""
    async for made in stepped(inputs, [_chunks(each, chunk_bytes) for each in bodies], old, uniting):
        model += b"".join(made.chunks)
        kept += made.state
    return model, kept


class Cut:
    """A body in chunks of any size, without a seal."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)

    async def take(self) -> list[bytes | bytearray]:
        return list(islice(self._chunks, 1))

    def open(self, data: bytes | bytearray) -> bytes:
        return bytes(data)

    def check(self) -> None:
        assert next(self._chunks, None) is None


def _chunks(content: bytes, size: int) -> Cut:
    return Cut(content[begin : begin + size] for begin in range(0, len(content), size))


def forest(trees: int, fill: int, w: float = 0.0) -> bytes:
    """A body with a group of two tensors, a tensor that is learnt and one that is summed."""
    tensors = {
        "split": np.full((trees, 2), fill, np.float64),
        "count": np.full(3, fill, np.int64),
        "w": np.full(5, w, np.float32),
        "leaf": np.full(trees, fill, np.int8),
    }
    dtypes = {"split": "F64", "count": "I64", "w": "F32", "leaf": "I8"}
    return body(tensors, dtypes, {"split": "union", "leaf": "union:members", "count": "sum"})
