"""Bodies of weights made by hand, and a strategy run on them in chunks of any size, without streams and seals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aggregator.domain.combine import Combiner, Surveyor
from aggregator.domain.formats import FLOATS, STORAGE
from aggregator.domain.narrowing import narrowed
from aggregator.domain.strategies.registry import STRATEGIES
from bus.events.experiments import Strategy
from bus.events.strategies import settled
from bus.weights.layout import header_bytes, parse

Body = Mapping[str, np.ndarray]


def stored(values: Any, dtype: str = "F32") -> np.ndarray:
    """Numbers as a tensor of a type is stored: bfloat16 as patterns."""
    wide = np.asarray(values, np.float64)
    return narrowed(wide.reshape(-1), FLOATS[dtype]).reshape(wide.shape)


def wide(values: np.ndarray, dtype: str = "F32") -> np.ndarray:
    """A stored tensor as float64."""
    out = np.empty(values.size)
    FLOATS[dtype].widen(values.reshape(-1), out)
    return out.reshape(values.shape)


def body(tensors: Body, dtypes: Mapping[str, str], reductions: Mapping[str, str] | None = None) -> bytes:
    """A safetensors file; element sizes have to fall."""
    told = {name: (reductions or {}).get(name, "mean") for name in tensors}
    header: dict[str, Any] = {"__metadata__": {"muster": json.dumps({"reductions": told})}}
    data = b""
    for name, values in tensors.items():
        assert values.dtype == STORAGE[dtypes[name]]
        offsets = [len(data), len(data) + values.nbytes]
        header[name] = {"dtype": dtypes[name], "shape": list(values.shape), "data_offsets": offsets}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def tensors(content: bytes) -> dict[str, np.ndarray]:
    """The tensors of a body, as stored."""
    layout = parse(content[: header_bytes(content)])
    return {t.name: np.frombuffer(content[t.begin : t.end], STORAGE[t.dtype]).reshape(t.shape) for t in layout.tensors}


@dataclass(frozen=True)
class Ran:
    """What came of a cycle."""

    model: bytes
    state: bytes
    chosen: tuple[int, ...] | None


def run(
    name: str,
    updates: Sequence[bytes],
    examples: Sequence[int] | None = None,
    *,
    previous: bytes | None = None,
    state: bytes | None = None,
    chunk_bytes: int = 4096,
    **parameters: float,
) -> Ran:
    """One cycle of a strategy."""
    whole = settled(Strategy(name=name, parameters=parameters))
    strategy = STRATEGIES[name](whole.parameters)
    weights = strategy.weights(examples or [1] * len(updates))
    chosen = None
    if (survey := strategy.survey(len(updates))) is not None:
        surveyor = Surveyor(survey, weights)
        for row in rows(updates, chunk_bytes):
            surveyor.take(row)
        chosen = surveyor.choose()
    combiner = Combiner(weights, strategy, chosen)
    bodies = [*updates, previous] if strategy.needs_previous else updates
    model, kept, read = b"", b"", 0
    for row in rows(bodies, chunk_bytes):
        needed = combiner.offer(row)
        made = combiner.combine(None if state is None else state[read : read + needed])
        read += needed
        model += b"".join(made.chunks)
        kept += made.state
    combiner.finish()
    assert state is None or read == len(state)
    assert len(kept) == combiner.state_bytes
    return Ran(model, kept, chosen)


def rows(bodies: Sequence[bytes], chunk_bytes: int) -> list[list[bytes]]:
    """Row k holds chunk k of each."""
    places = range(0, len(bodies[0]), chunk_bytes)
    return [[each[begin : begin + chunk_bytes] for each in bodies] for begin in places]
