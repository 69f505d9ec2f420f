"""The exact sums underneath: whatever is pushed is there, and nothing else."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.domain.lanes import BUDGET, HIGHEST, LOWEST, WIDTH, Lanes, Scratch


def lanes_of(numbers):
    lanes = Lanes(Scratch(1))
    for number in numbers:
        _, exponent = math.frexp(number)
        lanes.push(np.array([number]), max(exponent, LOWEST), max(exponent - 53, LOWEST))
    return lanes


def held(lanes):
    return sum((Fraction(float(values[0])) for values, _ in lanes.parts()), Fraction(0))


NUMBERS = st.one_of(
    st.floats(-(2.0 ** (HIGHEST - 20)), 2.0 ** (HIGHEST - 20)),
    st.floats(-1e-300, 1e-300),
    st.floats(-1, 1),
    st.sampled_from([2.0**k for k in range(-100, 100)]),
)


@given(st.lists(NUMBERS, max_size=3 * BUDGET))
@settings(max_examples=150)
def test_nothing_is_rounded_and_the_approximation_is_close(numbers):
    lanes, exact = lanes_of(numbers), sum(map(Fraction, numbers))
    assert held(lanes) == exact
    approximation = Fraction(float(lanes.approximate()[0]))
    assert abs(approximation - exact) <= abs(exact) * Fraction(2) ** -51


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.lists(NUMBERS, max_size=20))
@settings(max_examples=100)
def test_merging_adds_and_leaves_the_other_alone(mine, theirs):
    lanes, other = lanes_of(mine), lanes_of(theirs)
    before = held(other)
    lanes.merge(other)
    lanes.merge(lanes)
    assert held(lanes) == 2 * (held(lanes_of(mine)) + before)
    assert held(other) == before


@pytest.mark.parametrize("top", [WIDTH - 2, WIDTH - 1, WIDTH, WIDTH + 1, WIDTH + 3])
def test_lanes_stay_in_their_binade_whatever_is_pushed_how_often(top):
    # Just below the declared bound, which is at or near the largest part that a lane of quantum 1 may take.
    largest = 2.0**top - 1
    lanes = Lanes(Scratch(1))
    lanes.push(np.array([2.0 ** (WIDTH - 4)]), WIDTH - 3, 0)
    for count in range(1, 5 * BUDGET):
        lanes.push(np.array([largest]), top, 0)
        for values, exponent in lanes.parts():
            assert abs(float(values[0])) < 2.0 ** (51 + exponent)
        assert held(lanes) == count * Fraction(largest) + 2 ** (WIDTH - 4)


def test_a_part_of_the_elements_can_be_taken():
    lanes = Lanes(Scratch(3))
    lanes.push(np.array([1.0, 2.0, 3.0]), 2, 0)
    lanes.push(np.array([0.5, 0.5, 0.5]), 0, -1)
    taken = lanes.take(np.array([2, 0]), Scratch(2))
    taken.push(np.array([1.0, 1.0]), 1, 0)
    assert taken.approximate().tolist() == [4.5, 2.5]
    assert lanes.approximate().tolist() == [1.5, 2.5, 3.5]
