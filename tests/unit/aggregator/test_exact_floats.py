"""Means and sums of floats against exact rational arithmetic."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aggregator.domain.exact import ExactMean, ExactSum
from aggregator.domain.formats import FLOATS
from aggregator.domain.reductions import accumulator, restore
from bus.errors import Invalid
from bus.weights.layout import DType

BOUND = 2**36
FORMATS = sorted(FLOATS)


def value(dtype, pattern):
    """The rational number that a bit pattern stands for; the next power of two for infinity."""
    form = FLOATS[dtype]
    magnitude = pattern & (form.sign - 1)
    exponent = max(magnitude >> form.fraction_bits, 1)
    fraction = magnitude - ((exponent - 1) << form.fraction_bits)
    sign = -1 if pattern & form.sign else 1
    return sign * fraction * Fraction(2) ** (exponent - form.bias - form.fraction_bits)


def assert_nearest(dtype, pattern, exact):
    """Check that ``pattern`` is nearest to ``exact``, the even one of two equally near."""
    form = FLOATS[dtype]
    assert pattern != form.sign, "a zero is +0.0"
    distance = abs(value(dtype, pattern) - exact)
    magnitude = pattern & (form.sign - 1)
    neighbours = [(pattern & form.sign) | (magnitude + 1)]
    neighbours.append(pattern - 1 if magnitude else form.sign | 1)
    for neighbour in neighbours:
        other = abs(value(dtype, neighbour) - exact)
        assert distance < other or (distance == other and pattern % 2 == 0)


def patterns(dtype):
    form = FLOATS[dtype]
    one = form.bias << form.fraction_bits
    magnitudes = st.one_of(
        st.integers(0, form.infinity - 1),
        st.integers(0, 2**form.fraction_bits + 2),
        st.integers(form.infinity - 4, form.infinity - 1),
        st.integers(one - 4, one + 4),
        st.integers(one - 2**form.fraction_bits, one + 2**form.fraction_bits),
        st.just(0),
    )
    return st.builds(lambda magnitude, negative: magnitude | (form.sign if negative else 0), magnitudes, st.booleans())


WEIGHTS = st.one_of(st.integers(1, 3), st.integers(1, 2**30), st.sampled_from([2**26, 2**29, 2**30, 10**6]))


@st.composite
def cycles(draw, max_updates=6):
    """A format and the updates of one cycle: rows of bit patterns, each with its weight."""
    dtype = draw(st.sampled_from(FORMATS))
    size = draw(st.integers(1, 4))
    rows = st.lists(patterns(dtype), min_size=size, max_size=size)
    updates = draw(st.lists(st.tuples(rows, WEIGHTS), min_size=1, max_size=max_updates))
    if draw(st.booleans()):
        row, weight = updates[0]
        # The opposite of an update: cancellation down to the smallest others.
        updates.append(([pattern ^ FLOATS[dtype].sign for pattern in row], weight))
    return dtype, updates


def block(dtype, row):
    form = FLOATS[dtype]
    return np.array(row, form.pattern).view(form.storage)


def fill(target, dtype, updates):
    for row, weight in updates:
        target.add(block(dtype, row), weight)
    return target


def bits(dtype, result):
    return [int(pattern) for pattern in result.view(FLOATS[dtype].pattern)]


def exact_sums(dtype, updates, *, weighted):
    rows = [row for row, _ in updates]
    factors = [weight if weighted else 1 for _, weight in updates]
    return [
        sum(factor * value(dtype, pattern) for factor, pattern in zip(factors, column, strict=True))
        for column in zip(*rows, strict=True)
    ]


@given(cycles())
@settings(max_examples=400)
@example(("F64", [([0x7FEFFFFFFFFFFFFF], 2**30), ([0xFFEFFFFFFFFFFFFF], 2**30), ([1], 1)]))
@example(("F64", [([0x7FEFFFFFFFFFFFFF], 2**35), ([0x7FEFFFFFFFFFFFFF], 2**35)]))
@example(("F64", [([0x3FF0000000000000], 1), ([0x3FF0000000000001], 1)]))
@example(("BF16", [([0x3F80], 1), ([0x3F81], 2**30)]))
def test_a_mean_is_the_nearest_value_to_the_exact_one(cycle):
    dtype, updates = cycle
    total = sum(weight for _, weight in updates)
    mean = fill(accumulator("mean", dtype, len(updates[0][0]), total), dtype, updates)
    assert mean.weight == total
    for pattern, exact in zip(bits(dtype, mean.result()), exact_sums(dtype, updates, weighted=True), strict=True):
        assert_nearest(dtype, pattern, exact / total)


@given(cycles())
@settings(max_examples=300)
def test_a_sum_is_the_nearest_value_or_refused(cycle):
    dtype, updates = cycle
    form = FLOATS[dtype]
    exact = exact_sums(dtype, updates, weighted=False)
    # Half a unit beyond the largest finite value, rounding gives infinity.
    limit = (value(dtype, form.infinity - 1) + value(dtype, form.infinity)) / 2
    too_large = [index for index, number in enumerate(exact) if abs(number) >= limit]
    total = fill(accumulator("sum", dtype, len(exact), BOUND), dtype, updates)
    if too_large:
        with pytest.raises(Invalid, match="too large") as caught:
            total.result()
        assert caught.value.details["index"] == too_large[0]
    else:
        for pattern, number in zip(bits(dtype, total.result()), exact, strict=True):
            assert_nearest(dtype, pattern, number)


@given(cycles(max_updates=8), st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=300)
def test_order_grouping_and_restarts_change_no_bit(cycle, rng, groups):
    dtype, updates = cycle
    size = len(updates[0][0])
    plain = fill(accumulator("mean", dtype, size, BOUND), dtype, updates)
    shuffled = rng.sample(updates, len(updates))
    parts = [accumulator("mean", dtype, size, BOUND) for _ in range(groups)]
    for update in shuffled:
        number = rng.randrange(groups)
        fill(parts[number], dtype, [update])
        if rng.random() < 0.3:
            parts[number] = restore(parts[number].to_bytes())
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    assert merged.to_bytes() == plain.to_bytes()
    assert bits(dtype, merged.result()) == bits(dtype, plain.result())
    restored = restore(plain.to_bytes())
    assert restored.to_bytes() == plain.to_bytes()
    assert bits(dtype, restored.result()) == bits(dtype, plain.result())


def lower_neighbours(dtype):
    """Patterns p of which p and p + 1 are averaged: even and odd ones, all over the range of the format."""
    form = FLOATS[dtype]
    one = form.bias << form.fraction_bits
    subnormal, normal, small = 0, 1 << form.fraction_bits, (form.bias // 50 + 1) << form.fraction_bits
    starts = [subnormal, subnormal + 2, normal - 2, normal, small, one, one + 2**form.fraction_bits - 2]
    return [start + odd for start in [*starts, form.infinity - 4] for odd in (0, 1)]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("weights", [(1, 1), (2**28, 2**28 - 1), (2**29 + 1, 2**29 - 1), (2**35, 2**35 - 1)])
def test_at_and_beside_the_middle_of_two_neighbours(dtype, sign, weights):
    lower = [pattern | (FLOATS[dtype].sign if sign else 0) for pattern in lower_neighbours(dtype)]
    upper = [pattern + 1 for pattern in lower]
    mean = accumulator("mean", dtype, len(lower), BOUND)
    fill(mean, dtype, [(lower, weights[0]), (upper, weights[1])])
    opposite = accumulator("mean", dtype, len(lower), BOUND)
    fill(opposite, dtype, [(lower, weights[1]), (upper, weights[0])])
    even = [pattern + pattern % 2 for pattern in lower]
    tie = weights[0] == weights[1]
    zero = [0 if pattern == FLOATS[dtype].sign else pattern for pattern in (even if tie else lower)]
    assert bits(dtype, mean.result()) == zero
    assert bits(dtype, opposite.result()) == (zero if tie else upper)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("sign", [0, 1])
def test_sums_at_the_edge_of_overflow(dtype, sign):
    form = FLOATS[dtype]
    negative = form.sign if sign else 0
    largest = (form.infinity - 1) | negative
    half_unit = ((2 * form.bias - form.fraction_bits - 1) << form.fraction_bits) | negative
    smallest = 1 | (form.sign - negative)
    updates = [([largest], 1), ([half_unit], 1)]
    with pytest.raises(Invalid, match="element 0 is too large"):
        fill(accumulator("sum", dtype, 1, BOUND), dtype, updates).result()
    just_below = fill(accumulator("sum", dtype, 1, BOUND), dtype, [*updates, ([smallest], 1)])
    assert bits(dtype, just_below.result()) == [largest]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("kind", ["largest", "anything"])
def test_many_updates_carry_and_stay_exact(dtype, kind):
    form, rng = FLOATS[dtype], random.Random(7)
    lowest = form.infinity - 2 if kind == "largest" else 0
    updates = [
        (
            [rng.randrange(lowest, form.infinity) | rng.choice([0, form.sign]), form.infinity - 1],
            rng.randrange(1, 2**27),
        )
        for _ in range(300)
    ]
    mean = fill(accumulator("mean", dtype, 2, BOUND), dtype, updates)
    assert bits(dtype, mean.result())[1] == form.infinity - 1
    exact = exact_sums(dtype, updates, weighted=True)
    assert_nearest(dtype, bits(dtype, mean.result())[0], exact[0] / mean.weight)
    assert restore(mean.to_bytes()).to_bytes() == mean.to_bytes()


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_one_update_is_its_own_mean_for_every_finite_value(dtype):
    form = FLOATS[dtype]
    every = np.arange(form.infinity, dtype=form.pattern)
    row = np.concatenate([every, every[1:] | form.pattern.type(form.sign)]).view(form.storage)
    mean = accumulator("mean", dtype, row.size, 10**9)
    mean.add(row, 999_999_937)
    assert np.array_equal(mean.result().view(form.pattern), row.view(form.pattern))


def test_pairs_of_all_half_precision_values_agree_with_float64():
    every = np.arange(FLOATS[DType.F16].infinity, dtype=np.uint16).view(np.float16)
    other = np.random.default_rng(3).permutation(every) * np.float16(-1)
    mean = accumulator("mean", "F16", every.size, 4)
    mean.add(every, 1)
    mean.add(other, 3)
    # Exact in float64: eleven bits over thirty binades.
    expected = ((every.astype(np.float64) + 3 * other.astype(np.float64)) / 4).astype(np.float16)
    assert np.array_equal(mean.result(), expected)


@pytest.mark.parametrize("dtype", ["F32", "F64"])
def test_a_block_of_usual_weights_is_exact_everywhere(dtype):
    rng = np.random.default_rng(5)
    rows = [rng.normal(0, 0.05, 70_001).astype(FLOATS[DType(dtype)].storage) for _ in range(8)]
    weights = [1000 + 7 * edge for edge in range(8)]
    mean = ExactMean(accumulator("mean", dtype, 70_001, BOUND).block)
    for row, weight in zip(rows, weights, strict=True):
        mean.add(row, weight)
    result = bits(dtype, mean.result())
    for index in [*range(0, 70_001, 997), 70_000]:
        exact = sum(weight * Fraction(float(row[index])) for row, weight in zip(rows, weights, strict=True))
        assert_nearest(dtype, result[index], exact / sum(weights))


def test_zero_is_positive():
    mean = accumulator("mean", "F32", 3, 10)
    mean.add(np.array([-0.0, 1.0, -1e-45], np.float32), 1)
    mean.add(np.array([-0.0, -1.0, 0.0], np.float32), 1)
    assert bits("F32", mean.result()) == [0, 0, 0]


def test_blocks_need_not_be_aligned_or_writable():
    row = np.arange(1, 5, dtype=np.float32)
    mean = accumulator("mean", "F32", 4, 10)
    mean.add(np.frombuffer(b"\0" + row.tobytes(), np.float32, 4, 1), 2)
    assert np.array_equal(mean.result(), row)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("which", ["infinity", "nan"])
def test_a_value_that_is_not_finite_is_named_and_changes_nothing(dtype, which):
    form = FLOATS[dtype]
    mean = fill(accumulator("mean", dtype, 3, BOUND), dtype, [([1, 2, 3], 5)])
    before = mean.to_bytes()
    bad = form.sign | (form.infinity + (1 if which == "nan" else 0))
    with pytest.raises(Invalid, match="element 1 is not finite") as caught:
        mean.add(block(dtype, [0, bad, bad]), 1)
    assert caught.value.details["index"] == 1
    assert mean.to_bytes() == before


def test_what_was_not_declared_is_refused():
    mean = accumulator("mean", "F32", 2, 10)
    good = np.ones(2, np.float32)
    with pytest.raises(Invalid, match=r"float64\(2,\), expected float32\(2,\)"):
        mean.add(good.astype(np.float64), 1)
    with pytest.raises(Invalid, match=r"expected float32\(2,\)"):
        mean.add(np.ones((1, 2), np.float32), 1)
    for weight in (0, -1, True, 1.0, np.int64(1)):
        with pytest.raises(Invalid, match="expected an int from 1"):
            mean.add(good, weight)
    mean.add(good, 9)
    with pytest.raises(Invalid, match="total weight 11 exceeds the declared bound 10"):
        mean.add(good, 2)
    assert mean.weight == 9
    with pytest.raises(Invalid, match="exceeds the declared bound"):
        mean.merge(mean)


def test_an_empty_accumulator_has_no_result_but_bytes():
    mean = accumulator("mean", "F32", 2, 10)
    with pytest.raises(Invalid, match="no update was added"):
        mean.result()
    with pytest.raises(Invalid, match="no update was added"):
        restore(mean.to_bytes()).result()


def test_accumulators_declared_otherwise_do_not_merge():
    mean = accumulator("mean", "F32", 2, 10)
    for other in (
        accumulator("mean", "F32", 3, 10),
        accumulator("mean", "F64", 2, 10),
        accumulator("mean", "F32", 2, 11),
        accumulator("sum", "F32", 2, 10),
    ):
        with pytest.raises(Invalid, match="expected mean of"):
            mean.merge(other)
    assert isinstance(accumulator("sum", "F32", 2, 10), ExactSum)
