"""Bounds of blocks, and products without rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.domain.formats import BF16, F64, FLOATS
from aggregator.domain.lanes import Scratch
from aggregator.domain.products import push_product

FACTORS = st.integers(-(2**36), 2**36).filter(bool)


@given(st.sampled_from(sorted(FLOATS)), st.data())
@settings(max_examples=200)
def test_a_span_bounds_every_value_tightly(dtype, data):
    form = FLOATS[dtype]
    magnitudes = st.one_of(st.integers(0, form.infinity - 1), st.integers(0, 4 << form.fraction_bits))
    patterns = np.array(data.draw(st.lists(magnitudes, min_size=1, max_size=5)), form.pattern)
    patterns[::2] |= form.pattern.type(form.sign)
    wide = np.empty(patterns.size)
    form.widen(patterns.view(form.storage), wide)
    span = form.span(patterns.view(form.storage), np.empty_like(patterns))
    exact = [abs(Fraction(float(number))) for number in wide if number]
    if not exact:
        assert span is None
        return
    assert span is not None
    assert all(number < Fraction(2) ** span.top for number in exact)
    assert all((number / Fraction(2) ** span.low).denominator == 1 for number in exact)
    # The smallest number's last bit, and for all but subnormal ones the largest number's exponent.
    lowest = 1 - form.bias - form.fraction_bits
    assert span.low == lowest or min(exact) >= Fraction(2) ** (span.low + form.fraction_bits)
    assert span.top == 2 - form.bias or max(exact) >= Fraction(2) ** (span.top - 1)


def test_bfloat16_is_the_upper_half_of_float32():
    wide = np.empty(3)
    BF16.widen(np.array([0x3F80, 0xC049, 0x0001], np.uint16), wide)
    assert wide.tolist() == [1.0, -3.140625, 2.0**-133]


class Recorder:
    """Stands for lanes: adds up what is pushed, and checks what is claimed of it."""

    def __init__(self):
        self.total = Fraction(0)

    def push(self, values, top, low):
        number = Fraction(float(values[0]))
        assert abs(number) < Fraction(2) ** top
        assert (number / Fraction(2) ** low).denominator == 1
        self.total += number


@pytest.mark.parametrize("precision", [8, 9, 11, 12, 24, 25, 53])
@given(data=st.data(), weight=FACTORS)
@settings(max_examples=60)
def test_products_are_exact_and_their_bounds_hold(precision, data, weight):
    significand = data.draw(st.one_of(st.integers(1, 2**precision - 1), st.just(2**precision - 1)))
    number = significand * 2.0 ** data.draw(st.integers(-1074, 800))
    scratch, recorder = Scratch(1), Recorder()
    scratch.values[0] = number
    span = F64.span(scratch.values, np.empty(1, np.uint64))
    assert span is not None
    push_product(recorder, scratch, span, weight, precision)
    assert recorder.total == weight * Fraction(number)
