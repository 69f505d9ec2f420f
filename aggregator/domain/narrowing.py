"""From float64 to a tensor's type, rounded once."""

from __future__ import annotations

import numpy as np

from aggregator.domain.formats import Doubles, FloatFormat, Values
from bus.errors import Invalid
from bus.weights.encoding.floats import upper_half


def narrowed(values: Doubles, form: FloatFormat) -> Values:
    """``values`` in ``form``, to nearest, ties to even; a zero is always +0.0.

    Raises:
        Invalid: A value is not finite, or too large for the format; ``index`` is the first such element.
    """
    with np.errstate(all="ignore"):
        values = np.where(np.isnan(values), np.inf, values)
        near = upper_half(values + 0.0) if form.raw else (values + 0.0).astype(form.storage)
    magnitudes = near.view(form.pattern) & form.pattern.type(form.sign - 1)
    if magnitudes.size and int(magnitudes.max()) >= form.infinity:
        index = int(np.flatnonzero(magnitudes >= form.pattern.type(form.infinity))[0])
        message = f"element {index} is too large for the tensor's format: the steps grow without bound"
        raise Invalid(message, code="weights.overflow", index=index)
    zero = magnitudes == 0
    near.view(form.pattern)[zero] = 0
    return near
