"""Every strategy against its paper, written down again here without any of its code.

fedavg: McMahan et al. 2017. fedavgm: Hsu et al. 2019. fedadam, fedyogi, fedadagrad: Reddi et al. 2021, algorithm 2.
fedmedian, fedtrimmedavg: Yin et al. 2018, definitions 1 and 2. krum, multikrum: Blanchard et al. 2017.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.domain.formats import BF16
from aggregator.domain.narrowing import narrowed
from aggregator.domain.strategies.krum import exact_sum
from support.bodies import body, run, stored, tensors, wide

SIZE = 40
EXAMPLES = [10, 30, 60, 5, 17, 1, 40]
DTYPES = ["F64", "F32", "F16", "BF16"]


def file(values: np.ndarray, dtype: str) -> bytes:
    return body({"w": values}, {"w": dtype})


def numbers(dtype: str, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """The last model and seven updates, stored."""
    draw = np.random.default_rng(seed)
    before = draw.normal(size=SIZE)
    return stored(before, dtype), [stored(before + draw.normal(size=SIZE) * 0.1, dtype) for _ in EXAMPLES]


def rounded(exact: list[Fraction], dtype: str) -> np.ndarray:
    """Fractions in a type, to nearest, ties to even: by trying the numbers next to a guess."""
    out = stored([float(each) for each in exact], dtype)
    patterns = out.view(f"u{out.itemsize}")
    for index, value in enumerate(exact):
        tried = []
        for step in (-1, 0, 1):
            pattern = np.array([int(patterns[index]) + step], patterns.dtype)
            distance = abs(Fraction(float(wide(pattern.view(out.dtype), dtype)[0])) - value)
            tried.append((distance, int(pattern[0]) & 1, int(pattern[0])))
        patterns[index] = min(tried)[-1]
    return out


def fractions(rows: list[np.ndarray], dtype: str, element: int) -> list[Fraction]:
    return [Fraction(float(wide(row, dtype)[element])) for row in rows]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["fedavg", "uniform", "fedprox"])
def test_means(name: str, dtype: str) -> None:
    _, rows = numbers(dtype)
    weights = [1] * len(rows) if name == "uniform" else EXAMPLES
    exact = [
        sum((n * x for n, x in zip(weights, fractions(rows, dtype, e), strict=True)), Fraction(0)) / sum(weights)
        for e in range(SIZE)
    ]
    found = tensors(run(name, [file(row, dtype) for row in rows], EXAMPLES).model)["w"]
    assert found.tobytes() == rounded(exact, dtype).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 6, 7])
def test_median(count: int, dtype: str) -> None:
    rows = numbers(dtype)[1][:count]
    exact = [statistics.median(fractions(rows, dtype, e)) for e in range(SIZE)]
    found = tensors(run("fedmedian", [file(row, dtype) for row in rows]).model)["w"]
    assert found.tobytes() == rounded(exact, dtype).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("beta", "cut"), [(0.0, 0), (0.1, 0), (0.2, 1), (0.3, 2), (0.4999, 3)])
def test_trimmed_mean(beta: float, cut: int, dtype: str) -> None:
    _, rows = numbers(dtype)
    kept = [sorted(fractions(rows, dtype, e))[cut : 7 - cut] for e in range(SIZE)]
    exact = [sum(each, Fraction(0)) / len(each) for each in kept]
    found = tensors(run("fedtrimmedavg", [file(row, dtype) for row in rows], beta=beta).model)["w"]
    assert found.tobytes() == rounded(exact, dtype).tobytes()


def test_a_share_is_meant_as_it_is_written() -> None:
    """0.29 times 100 is 28.999999999999996 in float64; 29 values are to go at either end."""
    values = [*range(29), *range(1000, 1042), *[10**6] * 29]
    found = run("fedtrimmedavg", [file(np.array([float(v)]), "F64") for v in values], beta=0.29).model
    assert tensors(found)["w"][0] == np.mean(range(1000, 1042))


Step = Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray]


def fedavgm(d: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
    kept["m"] = 0.9 * kept.get("m", 0.0) + d
    return kept["m"]


def adaptive(rate: float, beta: float, grow: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Step:
    def step(d: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
        kept["m"] = beta * kept.get("m", 0.0) + (1 - beta) * d
        kept["v"] = grow(kept.get("v", np.full_like(d, 1e-6)), d**2)
        return rate * kept["m"] / (np.sqrt(kept["v"]) + 1e-3)

    return step


STEPS: dict[str, Step] = {
    "fedavgm": fedavgm,
    "fedadam": adaptive(0.1, 0.9, lambda v, s: 0.99 * v + 0.01 * s),
    "fedyogi": adaptive(0.01, 0.9, lambda v, s: v - 0.01 * s * np.sign(v - s)),
    "fedadagrad": adaptive(0.1, 0.0, lambda v, s: v + s),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(STEPS))
def test_optimisers_over_several_cycles(name: str, dtype: str) -> None:
    before, _ = numbers(dtype)
    model, state, kept = file(before, dtype), None, {}
    for cycle in range(4):
        rows = numbers(dtype, cycle)[1]
        x = wide(tensors(model)["w"], dtype)
        mean = sum(n * wide(row, dtype) for n, row in zip(EXAMPLES, rows, strict=True)) / sum(EXAMPLES)
        expected = x + STEPS[name](mean - x, kept)
        ran = run(name, [file(row, dtype) for row in rows], EXAMPLES, previous=model, state=state)
        model, state = ran.model, ran.state
        found = wide(tensors(model)["w"], dtype)
        unit = {"F64": 1e-13, "F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-8}[dtype]
        np.testing.assert_allclose(found, expected, rtol=1.01 * unit, atol=1e-12)
        slots = tensors(state)["w"]
        for slot, key in enumerate(["m", "v"][: slots.shape[-1]]):
            np.testing.assert_allclose(slots[:, slot], kept[key], rtol=1e-11, atol=1e-15)


def krum_scores(rows: list[np.ndarray], dtype: str, f: int) -> list[Fraction]:
    vectors = [fractions(list(np.atleast_2d(row).T.reshape(-1, 1)), dtype, 0) for row in rows]
    scores = []
    for i, one in enumerate(vectors):
        squares = [
            sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for j, other in enumerate(vectors) if j != i
        ]
        scores.append(sum(sorted(squares)[: len(rows) - f - 2], Fraction(0)))
    return scores


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", [0, 1, 2])
def test_krum_chooses_as_in_the_paper(f: int, dtype: str) -> None:
    _, rows = numbers(dtype, f)
    scores = krum_scores(rows, dtype, f)
    order = sorted(range(len(rows)), key=lambda index: scores[index])
    ran = run("krum", [file(row, dtype) for row in rows], EXAMPLES, f=f)
    assert ran.chosen == (order[0],)
    assert tensors(ran.model)["w"].tobytes() == rows[order[0]].tobytes()


@pytest.mark.parametrize(("keep", "count"), [(0, 5), (1, 1), (3, 3), (7, 7)])
def test_multikrum_averages_the_best(keep: int, count: int) -> None:
    _, rows = numbers("F32")
    scores = krum_scores(rows, "F32", 2)
    best = sorted(sorted(range(len(rows)), key=lambda index: scores[index])[:count])
    ran = run("multikrum", [file(row, "F32") for row in rows], EXAMPLES, f=2, keep=keep)
    assert ran.chosen == tuple(best)
    exact = [sum(fractions([rows[i] for i in best], "F32", e), Fraction(0)) / count for e in range(SIZE)]
    assert tensors(ran.model)["w"].tobytes() == rounded(exact, "F32").tobytes()


def test_distances_go_over_all_learnt_tensors() -> None:
    """Each tensor alone would choose another update than both together."""

    def both(a: float, b: float) -> bytes:
        return body({"a": np.array([float(a)]), "b": np.array([float(b)])}, {"a": "F64", "b": "F64"})

    near = [both(0, 0), both(0.1, 0.1), both(-0.1, -0.1)]
    assert run("krum", [both(0, 9), both(9, 0), *near], f=1).chosen == (2,)


@given(st.lists(st.floats(min_value=0, allow_infinity=False), min_size=1, max_size=50))
@settings(max_examples=200, deadline=None)
def test_sums_of_squares_are_exact(values: list[float]) -> None:
    exact = sum((Fraction(value) for value in values), Fraction(0))
    assert exact_sum(np.array(values)) == exact * 2**1126


def bf16(value: float) -> Fraction:
    """The nearest bfloat16, ties to even, by its definition: 8 significant bits, least exponent -133."""
    exact = Fraction(value)
    exponent = max(int(np.frexp(value)[1]) - 8, -133)
    return round(exact / Fraction(2) ** exponent) * Fraction(2) ** exponent


@given(st.floats(min_value=-3e38, max_value=3e38))
@settings(max_examples=500, deadline=None)
def test_narrowing_to_bfloat16_rounds_once(value: float) -> None:
    found = wide(narrowed(np.array([value]), BF16), "BF16")[0]
    assert Fraction(float(found)) == bf16(value)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_narrowing_looks_beyond_float32_at_a_tie(offset: int) -> None:
    """1 + 2**-8 lies between two bfloat16; what decides is too small for float32."""
    value = float(np.float64(1 + 2.0**-8) + offset * 2.0**-50)
    found = wide(narrowed(np.array([value]), BF16), "BF16")[0]
    assert found == (1 + 2.0**-7 if offset > 0 else 1.0)
