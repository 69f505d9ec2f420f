"""The behaviour suite of strategies: what each of them has to keep, whatever it computes."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from aggregator.domain.combine import Combiner, Surveyor
from aggregator.domain.strategies.registry import STRATEGIES, strategy_of
from bus.errors import Invalid, MusterError
from bus.events.base import PrincipalId
from bus.events.cycles import Contribution, Cycle, CycleClosed, CycleKind
from bus.events.experiments import Strategy
from bus.events.strategies import KINDS, check, settled
from bus.weights.layout import header_bytes, parse
from bus.weights.lockstep import BodyFailed
from support.bodies import Ran, body, run, stored, tensors
from support.story import X

NAMES = sorted(KINDS)
STATEFUL = [name for name in NAMES if KINDS[name].state]
EDGES = 7
EXAMPLES = [10, 30, 60, 5, 17, 1, 40]
DTYPES = ["F64", "F32", "F16", "BF16"]
SHAPES = {"w": (61, 7), "b": (11,), "s": (), "scaffold.w": (61, 7)}


def made(seed: int, dtype: str, center: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Tensors around a center, as float64."""
    draw = np.random.default_rng(seed)
    return {
        name: draw.normal(size=shape) * 0.1 + (0 if center is None else center[name]) for name, shape in SHAPES.items()
    }


def file(values: Mapping[str, np.ndarray], dtype: str, count: int = 3) -> bytes:
    """A model of one float type, with a counter, a sum, a running mean and something that has to stay as it is."""
    content = {
        "n": np.array([count], np.int64),
        "rows": np.array([float(count)]),
        "running": np.array([float(count)]),
        **{name: stored(each, dtype) for name, each in values.items()},
        "fixed": np.array([1, 2], np.uint8),
    }
    dtypes = {"n": "I64", "rows": "F64", "running": "F64", "fixed": "U8"} | dict.fromkeys(values, dtype)
    return body(content, dtypes, {"rows": "sum", "running": "statistic", "fixed": "keep"})


def case(dtype: str) -> tuple[bytes, list[bytes]]:
    """The last global model, and updates."""
    before = made(0, dtype)
    return file(before, dtype), [file(made(seed, dtype, before), dtype, seed) for seed in range(1, EDGES + 1)]


def two_cycles(name: str, dtype: str, **settings: int) -> tuple[Ran, Ran]:
    previous, updates = case(dtype)
    first = run(name, updates, EXAMPLES, previous=previous, **settings)
    second = run(name, updates, EXAMPLES, previous=first.model, state=first.state or None, **settings)
    return first, second


def closed(strategy: Strategy, updates: int = EDGES, kind: CycleKind = CycleKind.TRAIN) -> CycleClosed:
    included = tuple(Contribution(edge=PrincipalId(f"e{n}"), update="u", weight=1) for n in range(updates))
    cycle = Cycle(number=1, kind=kind)
    return CycleClosed(experiment=X, cycle=cycle, revision=1, included=included, strategy=strategy, recipients=())


def test_every_name_has_an_implementation() -> None:
    assert set(STRATEGIES) == set(KINDS)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_a_strategy_is_true(name: str) -> None:
    kind, strategy = KINDS[name], strategy_of(closed(Strategy(name=name)))
    assert tuple(strategy.slots) == kind.state
    assert (strategy.survey(EDGES) is not None) == (kind.passes == 2)
    assert (bool(kind.state) or bool(kind.beside)) == strategy.needs_previous
    assert kind.paper
    assert kind.formula


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_chunks_may_be_cut_anywhere(name: str, dtype: str) -> None:
    whole = two_cycles(name, dtype, chunk_bytes=1 << 20)
    assert all(two_cycles(name, dtype, chunk_bytes=size) == whole for size in (64, 1000, 4096))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_updates_changes_no_bit(name: str) -> None:
    previous, updates = case("F32")
    first = run(name, updates, EXAMPLES, previous=previous)
    order = [6, 2, 0, 5, 1, 4, 3]
    other = run(name, [updates[i] for i in order], [EXAMPLES[i] for i in order], previous=previous)
    assert (other.model, other.state) == (first.model, first.state)
    if first.chosen is not None:
        assert {order[index] for index in other.chosen or ()} == set(first.chosen)


@pytest.mark.parametrize("name", NAMES)
def test_example_counts_matter_where_it_says_so(name: str) -> None:
    previous, updates = case("F32")
    models = [tensors(run(name, updates, counts, previous=previous).model) for counts in (EXAMPLES, EXAMPLES[::-1])]
    assert (models[0]["w"].tobytes() != models[1]["w"].tobytes()) == KINDS[name].weighted


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_learnt_is_combined_alike(name: str) -> None:
    previous, updates = case("F32")
    found = tensors(run(name, updates, [1] * EDGES, previous=previous).model)
    assert found["n"][0] == 4
    assert found["running"][0] == 4.0
    assert found["rows"][0] == sum(range(1, EDGES + 1))
    assert found["fixed"].tolist() == [1, 2]


@pytest.mark.parametrize("name", NAMES)
def test_only_training_is_its_business(name: str) -> None:
    strategy = strategy_of(closed(Strategy(name=name), 1, CycleKind.INITIALISE))
    assert strategy.slots == {}
    assert not strategy.needs_previous
    assert strategy.survey(1) is None
    assert strategy.weights([5]) == [5]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NAMES)
def test_an_update_with_a_number_that_is_none_is_named(name: str, value: float) -> None:
    previous, updates = case("F32")
    bad = bytearray(updates[4])
    place = tensors_offset(updates[4], "w")
    bad[place : place + 4] = np.float32(value).tobytes()
    with pytest.raises(BodyFailed, match=r"tensor 'w': element \d+ is not finite") as failed:
        run(name, [*updates[:4], bytes(bad), *updates[5:]], EXAMPLES, previous=previous)
    assert failed.value.index == 4


def tensors_offset(content: bytes, name: str) -> int:
    return next(t.begin for t in parse(content[: header_bytes(content)]).tensors if t.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_when_all_agree_on_the_last_model_it_stays(name: str) -> None:
    previous, _ = case("F32")
    assert tensors(run(name, [previous] * EDGES, EXAMPLES, previous=previous).model)["w"].tobytes() == (
        tensors(previous)["w"].tobytes()
    )


@pytest.mark.parametrize("name", STATEFUL)
def test_the_state_is_a_file_of_its_own_and_matters(name: str) -> None:
    first, second = two_cycles(name, "F16")
    state = tensors(first.state)
    assert {key: each.shape for key, each in state.items()} == {
        key: (*shape, len(KINDS[name].state)) for key, shape in SHAPES.items()
    }
    assert all(each.dtype == np.float64 for each in state.values())
    _, updates = case("F16")
    assert run(name, updates, EXAMPLES, previous=first.model).model != second.model


@pytest.mark.parametrize("name", STATEFUL)
def test_the_state_of_another_model_or_strategy_is_refused(name: str) -> None:
    previous, updates = case("F32")
    other = "fedadam" if name == "fedavgm" else "fedavgm"
    strange = run(other, updates, previous=previous).state
    with pytest.raises(MusterError, match="another strategy or model") as failed:
        run(name, updates, previous=previous, state=strange)
    assert failed.value.code == "strategy.state"


@pytest.mark.parametrize("name", STATEFUL)
def test_steps_that_grow_without_bound_are_no_model(name: str) -> None:
    previous, updates = ({"w": stored(values, "F16")} for values in ([0.0], [60000.0]))
    files = [body(each, {"w": "F16"}) for each in (previous, updates)]
    learning_rate = 1000.0
    if name == "fedavgm":
        with pytest.raises(Invalid, match="without bound"):
            run(name, [files[1]], previous=files[0], learning_rate=learning_rate)
    wild = [body({"w": np.array([value])}, {"w": "F64"}) for value in (-1e308, 1e308)]
    with pytest.raises(Invalid, match="tensor 'w'") as failed:
        run(name, [wild[1]], previous=wild[0])
    assert failed.value.code == "weights.overflow"


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (Strategy(name="fedmedain"), "did you mean 'fedmedian'"),
        (Strategy(name="krum", parameters={"F": 1}), "no parameter 'F'; known are f"),
        (Strategy(name="fedadam", parameters={"beta1": 0.5}), "did you mean 'beta_1'"),
        (Strategy(name="fedavg", parameters={"mu": 1}), "no parameter 'mu'; it has none"),
        (Strategy(name="fedtrimmedavg", parameters={"beta": 0.5}), "from 0 below 0.5"),
        (Strategy(name="fedadam", parameters={"tau": 0}), "a number above 0 to 1"),
        (Strategy(name="fedavgm", parameters={"momentum": float("nan")}), "is nan"),
        (Strategy(name="krum", parameters={"f": 1.5}), "a whole number"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_right(strategy: Strategy, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        settled(strategy)
    with pytest.raises(Invalid, match=words):
        strategy_of(closed(strategy))


def test_all_values_are_said() -> None:
    assert settled(Strategy(name="fedadam", parameters={"beta_1": 0.5})).parameters == {
        "learning_rate": 0.1,
        "beta_1": 0.5,
        "beta_2": 0.99,
        "tau": 0.001,
    }


@pytest.mark.parametrize(
    ("parameters", "least"), [({"f": 0}, 3), ({}, 5), ({"f": 2}, 7), ({"f": 1, "keep": 6}, 6), ({"keep": 2}, 5)]
)
def test_krum_needs_enough_updates(parameters: dict[str, float], least: int) -> None:
    strategy = Strategy(name="multikrum", parameters=parameters)
    assert check(strategy, "sklearn", least, least)
    with pytest.raises(Invalid, match=f"at least {least} updates") as failed:
        check(strategy, "sklearn", least - 1, least)
    assert failed.value.code == "strategy.updates"
    with pytest.raises(Invalid, match=f"at least {least} updates"):
        strategy_of(closed(strategy, least - 1))


@pytest.mark.parametrize("name", [name for name in NAMES if KINDS[name].frameworks is not None])
def test_what_edges_cannot_do_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match=r"sklearn cannot.*Frameworks that can: tensorflow, torch") as failed:
        check(Strategy(name=name), "sklearn", 3, 3)
    assert failed.value.code == "strategy.framework"
    assert check(Strategy(name=name), "torch", 3, 3).name == name


def test_scaffold_is_told_how_many_edges_there_are() -> None:
    assert check(Strategy(name="scaffold"), "torch", 2, 5).parameters == {"learning_rate": 1.0, "edges": 5.0}
    assert check(Strategy(name="scaffold", parameters={"edges": 9}), "torch", 2, 5).parameters["edges"] == 9.0


CHUNK = 64 * 1024


def long_rows(chunks: int, bodies: int) -> Iterator[list[bytes]]:
    """Rows of a float32 model of so many chunks, made while they are read."""
    size = CHUNK * (chunks - 1)
    content = {
        "__metadata__": {"muster": json.dumps({"reductions": {"w": "mean"}})},
        "w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]},
    }
    text = json.dumps(content).encode()
    text += b" " * (CHUNK - 8 - len(text))
    yield [len(text).to_bytes(8, "little") + text] * bodies
    draw = np.random.default_rng(0)
    for _ in range(chunks - 1):
        yield [draw.normal(size=CHUNK // 4).astype(np.float32).tobytes() for _ in range(bodies)]


def peak_bytes(name: str, chunks: int) -> int:
    strategy = strategy_of(closed(Strategy(name=name)))
    tracemalloc.start()
    chosen, survey = None, strategy.survey(EDGES)
    if survey is not None:
        surveyor = Surveyor(survey, [1] * EDGES)
        for row in long_rows(chunks, EDGES):
            surveyor.take(row)
        chosen = surveyor.choose()
    combiner = Combiner([1] * EDGES, strategy, chosen)
    for row in long_rows(chunks, EDGES + strategy.needs_previous):
        needed = combiner.offer(row)
        made = combiner.combine(None)
        assert len(made.state) in {0, needed}
    combiner.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("name", ["fedavg", "scaffold", "fedadam", "fedmedian", "multikrum"])
def test_memory_does_not_grow_with_the_model(name: str) -> None:
    peak_bytes(name, 3)
    assert peak_bytes(name, 24) < 1.2 * peak_bytes(name, 6)
