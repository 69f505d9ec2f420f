"""Names, bytes and the reduction that keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.blocks import Block
from aggregator.domain.exact import ExactMean
from aggregator.domain.formats import STORAGE, DType
from aggregator.domain.keep import Keep
from aggregator.domain.reductions import SUPPORTED, Accumulator, Reduction, accumulator, restore
from bus.errors import Integrity, Invalid


def first_chunk(reduction="mean", dtype="F32"):
    target = accumulator(reduction, dtype, 3, 100)
    target.add(np.array([1, 0, 1]).astype(STORAGE[dtype]), 7)
    return target


@pytest.mark.parametrize(
    ("reduction", "dtype"), [(reduction, dtype) for reduction in Reduction for dtype in sorted(SUPPORTED[reduction])]
)
def test_every_known_combination_works(reduction, dtype):
    target: Accumulator = first_chunk(reduction, dtype)
    other: Accumulator = first_chunk(reduction, dtype)
    target.merge(restore(other.to_bytes()))
    factor = 2 if reduction is Reduction.SUM else 1
    expected = np.array([1, 0, 1]) * factor
    # For bfloat16, 1 is the pattern of the smallest subnormal number, and 2 that of its double.
    assert target.result().astype(np.int64).tolist() == expected.tolist()
    assert target.weight == 14
    assert target.block == Block(dtype, 3, 100)


@pytest.mark.parametrize(
    ("reduction", "dtype", "message"),
    [
        ("union", "F32", "reduction 'union' is unknown; known are mean, sum, keep"),
        ("mean", "F8_E4M3", "mean of F8_E4M3 is not possible; known are BF16, F16, F32, F64, I16"),
        ("mean", "BOOL", "mean of BOOL is not possible"),
        ("sum", "BOOL", "sum of BOOL is not possible"),
        ("keep", "C64", "keep of C64 is not possible; known are BF16, BOOL"),
    ],
)
def test_unknown_combinations_list_the_known_ones(reduction, dtype, message):
    with pytest.raises(Invalid, match=message):
        accumulator(reduction, dtype, 3, 100)


def test_a_bool_mean_is_refused_without_the_registry_too():
    with pytest.raises(Invalid, match="use keep"):
        ExactMean(Block(DType.BOOL, 3, 100))


@pytest.mark.parametrize(("size", "bound"), [(0, 1), (-1, 1), (2**24 + 1, 1), (1, 0), (1, 2**36 + 1)])
def test_numbers_out_of_range_are_refused(size, bound):
    with pytest.raises(Invalid, match="expected 1 to"):
        accumulator("mean", "F32", size, bound)


def test_keep_compares_bits_and_names_the_first_difference():
    nan = np.array([np.nan, -0.0, np.inf, 1.0], np.float32)
    keep = accumulator("keep", "F32", 4, 100)
    keep.add(nan, 1)
    keep.add(nan.copy(), 2)
    with pytest.raises(Integrity, match="element 1 differs") as caught:
        keep.add(np.array([np.nan, 0.0, np.inf, 2.0], np.float32), 1)
    assert caught.value.details["index"] == 1
    assert keep.weight == 3
    assert keep.result().tobytes() == nan.tobytes()


def test_keep_does_not_alias_what_it_was_given():
    values = np.array([1, 2], np.int32)
    keep = accumulator("keep", "I32", 2, 100)
    keep.add(values, 1)
    values[0] = 9
    keep.result()[1] = 9
    assert keep.result().tolist() == [1, 2]


def test_keep_merges_empty_equal_and_different_ones():
    empty, one, other = (Keep(Block(DType.I32, 2, 100)) for _ in range(3))
    one.add(np.array([1, 2], np.int32), 3)
    other.add(np.array([1, 3], np.int32), 4)
    one.merge(empty)
    empty.merge(one)
    assert (one.weight, empty.weight, empty.result().tolist()) == (3, 3, [1, 2])
    with pytest.raises(Integrity, match="element 1 differs"):
        one.merge(other)
    with pytest.raises(Invalid, match="no update was added"):
        Keep(Block(DType.I32, 2, 100)).result()


@pytest.mark.parametrize("reduction", list(Reduction))
def test_cut_bytes_are_refused(reduction):
    data = first_chunk(reduction).to_bytes()
    for size in range(len(data)):
        with pytest.raises(Invalid):
            restore(data[:size])
    with pytest.raises(Invalid):
        restore(data + b"\0")


@given(st.sampled_from(list(Reduction)), st.data())
def test_damaged_bytes_are_refused_or_canonical(reduction, draw):
    data = bytearray(first_chunk(reduction).to_bytes())
    data[draw.draw(st.integers(0, len(data) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    try:
        restored = restore(bytes(data))
    except Invalid:
        return
    # What is accepted has its one and only form; whether it is the right one, a digest of the caller's must tell.
    assert restored.to_bytes() == bytes(data)


def test_bytes_of_another_kind_are_refused():
    with pytest.raises(Invalid, match="accumulator is sum of"):
        ExactMean.from_bytes(first_chunk("sum").to_bytes())
    with pytest.raises(Invalid, match="accumulator is mean of"):
        Keep.from_bytes(first_chunk("mean").to_bytes())
    renamed = first_chunk().to_bytes().replace(b"mean", b"mode")
    with pytest.raises(Invalid, match="kind 'mode' is unknown"):
        restore(renamed)


@pytest.mark.parametrize("dtype", ["F32", "I64"])
def test_limbs_out_of_range_are_refused(dtype):
    target = accumulator("sum", dtype, 1, 100)
    target.add(np.array([1], STORAGE[dtype]), 1)
    data = bytearray(target.to_bytes())
    assert data[48:52] == (0).to_bytes(4, "little")
    for first in (-(2**20), -6, 6, 2**20):
        data[48:52] = first.to_bytes(4, "little", signed=True)
        with pytest.raises(Invalid, match="out of range"):
            restore(bytes(data))
