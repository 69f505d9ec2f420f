"""Features that are made from columns, row by row and from the cells as they are, so that nothing need be fitted.

A feature is missing where one of its columns is, where it would divide by zero, and where it is too large for a
binary64; it is then filled in like any other column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.preprocessing.choices import Derived

Numbers = NDArray[np.float64]
_SIGNS: Final = {"product": "*", "ratio": "/", "sum": "+", "difference": "-"}


def made_names(each: Derived) -> tuple[str, ...]:
    """Names of what is made: ``a*b``, ``a/b``, ``a+b``, ``a-b``, ``a^2*b``; none for principal components."""
    if each.make == "pca":
        return ()
    if each.make == "polynomial":
        return tuple("*".join(_power(name, times) for name, times in each_one.items()) for each_one in _monomials(each))
    return (_SIGNS[each.make].join(each.of),)


def made_values(each: Derived, columns: Mapping[str, Numbers]) -> Iterator[Numbers]:
    """What is made, in the order of ``made_names``.

    Args:
        each: What to make.
        columns: Name -> float64 (rows,), NaN where a cell is missing.
    """
    if each.make == "pca":
        return
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for value in _values(each, columns):
            yield np.where(np.isfinite(value), value, np.nan)


def _values(each: Derived, columns: Mapping[str, Numbers]) -> Iterator[Numbers]:
    inputs = [columns[name] for name in each.of]
    if each.make == "polynomial":
        for monomial in _monomials(each):
            yield reduce(np.multiply, [columns[name] for name, times in monomial.items() for _ in range(times)])
    elif each.make == "ratio":
        yield inputs[0] / inputs[1]
    else:
        yield reduce({"product": np.multiply, "sum": np.add, "difference": np.subtract}[each.make], inputs)


def _monomials(each: Derived) -> Iterator[Counter[str]]:
    """Factor -> how often, in the order of scikit-learn's ``PolynomialFeatures``, without those of one factor."""
    for degree in range(2, (each.degree or 2) + 1):
        yield from map(Counter, combinations_with_replacement(each.of, degree))


def _power(name: str, times: int) -> str:
    return name if times == 1 else f"{name}^{times}"
