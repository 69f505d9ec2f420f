"""Quantiles from counts that add up: as exact as they say, however the values are divided among edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.preprocessing import sketch
from training.preprocessing.sketch import OCTAVES, PARTS, RELATIVE, Sketch

Numbers = NDArray[np.float64]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.lists(FINITE, min_size=1, max_size=60).map(lambda values: np.array(values, np.float64))
PROBABILITIES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def sketched(parts: list[Numbers], probabilities: tuple[float, ...] = PROBABILITIES) -> Sketch:
    """What comes of two passes over the parts, each of which an edge has."""
    counts = np.sum([sketch.octaves(part) for part in parts], axis=0)
    wanted = sketch.wanted(counts, probabilities)
    return Sketch(counts, {o: np.sum([sketch.refined(part, o) for part in parts], axis=0) for o in wanted})


@given(VALUES, st.sampled_from(PROBABILITIES))
def test_a_quantile_lies_where_it_says(values: Numbers, probability: float) -> None:
    found = sketched([values]).quantile(probability)
    exact = probability * (len(values) - 1)
    low, high = np.sort(values)[[int(exact), min(int(exact) + 1, len(values) - 1)]]
    # Numbers below the smallest normal one count as zero.
    slack = np.finfo(np.float64).tiny
    with np.errstate(over="ignore"):
        assert low - abs(low) * RELATIVE - slack <= found <= high + abs(high) * RELATIVE + slack


@given(VALUES)
def test_no_value_lies_beyond_the_outermost_parts(values: Numbers) -> None:
    normal = np.where(np.abs(values) < np.finfo(np.float64).tiny, 0.0, values)
    found = sketched([values])
    least, most = found.outermost()
    assert least <= normal.min()
    assert most >= normal.max()
    with np.errstate(over="ignore"):
        ends = abs(normal.min()) + abs(normal.max())
        assert np.float64(most) - least <= np.ptp(normal) + RELATIVE * ends


@given(VALUES)
def test_values_are_rounded_as_quantiles_are(values: Numbers) -> None:
    normal = np.where(np.abs(values) < np.finfo(np.float64).tiny, 0.0, values)
    assert set(sketched([normal]).quantiles((0.0, 1.0))) <= set(sketch.rounded(normal))


@given(VALUES, st.randoms(use_true_random=False), st.integers(1, 5))
def test_neither_order_nor_division_matters(values: Numbers, random: object, edges: int) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    parts = [np.array(shuffled[edge::edges], np.float64) for edge in range(edges)]
    whole, divided = sketched([values]), sketched(parts)
    np.testing.assert_array_equal(whole.counts, divided.counts)
    assert whole.quantiles(PROBABILITIES).tolist() == divided.quantiles(PROBABILITIES).tolist()


@given(st.lists(st.integers(-2048, 2048), min_size=1, max_size=60))
def test_small_whole_numbers_are_exact(values: list[int]) -> None:
    found = sketched([np.array(values, np.float64)])
    for probability in PROBABILITIES:
        assert found.quantile(probability) == pytest.approx(np.quantile(values, probability), rel=1e-12, abs=1e-12)


@given(VALUES)
def test_every_value_is_counted_once(values: Numbers) -> None:
    counts = sketch.octaves(values)
    assert counts.shape == (OCTAVES,)
    assert counts.sum() == len(values)
    for octave in np.flatnonzero(counts):
        if octave != sketch.ZERO:
            parts = sketch.refined(values, int(octave))
            assert parts.shape == (PARTS,)
            assert parts.sum() == counts[octave]


@given(VALUES, VALUES)
def test_other_edges_in_the_second_pass_do_no_harm(values: Numbers, others: Numbers) -> None:
    """Whoever answered first alone decides in which octave a quantile lies."""
    counts = sketch.octaves(values)
    found = Sketch(counts, {o: sketch.refined(others, o) for o in sketch.wanted(counts, PROBABILITIES)})
    least, most = np.sort(values)[[0, -1]]
    low, high = found.quantile(0.0), found.quantile(1.0)
    slack = np.finfo(np.float64).tiny
    with np.errstate(over="ignore"):
        assert min(np.float64(least) * 2, least / 2) - slack <= low
        assert high <= max(np.float64(most) * 2, most / 2) + slack


def test_nothing_at_all_is_zero() -> None:
    nothing = sketched([np.zeros(0)])
    assert nothing.quantile(0.5) == 0.0
    assert nothing.parts == {}


def test_the_largest_numbers_have_a_place() -> None:
    most = np.finfo(np.float64).max
    found = sketched([np.array([-most, most])])
    assert found.outermost() == (-most, most)
