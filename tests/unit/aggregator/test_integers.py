"""Means and sums of integers against Python's own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aggregator.domain.formats import INTEGERS, STORAGE
from aggregator.domain.reductions import accumulator, restore
from bus.errors import Invalid

BOUND = 2**36


@st.composite
def cycles(draw):
    dtype = draw(st.sampled_from(sorted(INTEGERS)))
    limits = np.iinfo(STORAGE[dtype])
    number = st.one_of(
        st.integers(int(limits.min), int(limits.max)),
        st.sampled_from([0, 1, int(limits.min), int(limits.max), int(limits.max) - 1]),
    )
    size = draw(st.integers(1, 4))
    rows = st.lists(number, min_size=size, max_size=size)
    weights = st.one_of(st.integers(1, 3), st.integers(1, 2**32))
    return dtype, draw(st.lists(st.tuples(rows, weights), min_size=1, max_size=6))


def fill(target, dtype, updates):
    for row, weight in updates:
        target.add(np.array(row, STORAGE[dtype]), weight)
    return target


@given(cycles())
@settings(max_examples=300)
@example(("I64", [([-(2**63)], 2**35), ([-(2**63)], 2**35)]))
@example(("U64", [([2**64 - 1], 2**35), ([2**64 - 1], 2**35)]))
@example(("I8", [([-1, 1, 3, -3], 1), ([0, 0, 0, 0], 1)]))
def test_a_mean_is_the_exact_quotient_rounded_half_to_even(cycle):
    dtype, updates = cycle
    mean = fill(accumulator("mean", dtype, len(updates[0][0]), BOUND), dtype, updates)
    columns = list(zip(*(row for row, _ in updates), strict=True))
    weights = [weight for _, weight in updates]
    expected = [
        round(Fraction(sum(n * x for n, x in zip(weights, column, strict=True)), sum(weights))) for column in columns
    ]
    assert mean.result().dtype == STORAGE[dtype]
    assert mean.result().tolist() == expected


@given(cycles(), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_a_sum_is_exact_or_refused_whatever_the_order(cycle, rng):
    dtype, updates = cycle
    total = fill(accumulator("sum", dtype, len(updates[0][0]), BOUND), dtype, rng.sample(updates, len(updates)))
    limits = np.iinfo(STORAGE[dtype])
    expected = [sum(column) for column in zip(*(row for row, _ in updates), strict=True)]
    outside = [index for index, number in enumerate(expected) if not limits.min <= number <= limits.max]
    if outside:
        with pytest.raises(Invalid, match=f"element {outside[0]} does not fit") as caught:
            total.result()
        assert caught.value.details["index"] == outside[0]
    else:
        assert total.result().tolist() == expected


@given(cycles(), st.randoms(use_true_random=False), st.sampled_from(["mean", "sum"]))
@settings(max_examples=200)
def test_order_grouping_and_restarts_change_no_byte(cycle, rng, reduction):
    dtype, updates = cycle
    size = len(updates[0][0])
    plain = fill(accumulator(reduction, dtype, size, BOUND), dtype, updates)
    shuffled = rng.sample(updates, len(updates))
    cut = rng.randrange(len(updates) + 1)
    first = fill(accumulator(reduction, dtype, size, BOUND), dtype, shuffled[:cut])
    rest = fill(accumulator(reduction, dtype, size, BOUND), dtype, shuffled[cut:])
    merged = restore(first.to_bytes())
    merged.merge(restore(rest.to_bytes()))
    assert merged.to_bytes() == plain.to_bytes()
    assert merged.weight == plain.weight


def test_a_sum_may_pass_through_overflow_on_its_way():
    total = accumulator("sum", "I8", 1, 10)
    for number in (127, 127, -127):
        total.add(np.array([number], np.int8), 1)
    assert total.result().tolist() == [127]
