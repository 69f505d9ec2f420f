"""Which rows are taken: so many, in their order, by the seed, class and number alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_daemon.picking import picked
from training.errors import TrainingError

SEEDS = st.integers(0, 2**32 - 1)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), SEEDS, st.data())
def test_so_many_of_each_class_in_their_order(counts: list[int], seed: int, data: st.DataObject) -> None:
    places = np.split(np.random.default_rng(0).permutation(sum(counts)), np.cumsum(counts)[:-1])
    rows = {str(label): np.sort(each) for label, each in enumerate(places)}
    wanted = {label: data.draw(st.integers(0, len(each))) for label, each in rows.items()}
    found = picked(rows, wanted, seed)
    assert found.dtype == np.intp
    assert (np.diff(found) > 0).all()
    assert {label: len(np.intersect1d(found, each)) for label, each in rows.items()} == wanted
    np.testing.assert_array_equal(picked(rows, wanted, seed), found)


def test_classes_are_drawn_apart() -> None:
    rows = {"a": np.arange(50), "b": np.arange(50, 100)}
    with_few, with_many = (picked(rows, {"a": 20, "b": of_b}, seed=3) for of_b in (1, 50))
    np.testing.assert_array_equal(with_few[with_few < 50], with_many[with_many < 50])


@given(SEEDS)
def test_one_row_more_is_another_draw(seed: int) -> None:
    rows = {"a": np.arange(200)}
    fewer, more = (picked(rows, {"a": count}, seed) for count in (100, 101))
    assert len(np.setdiff1d(fewer, more)) > 10, "their difference must not be a row"


@pytest.mark.parametrize("wanted", [{"a": 6}, {"a": -1}, {"b": 1}])
def test_what_is_not_there(wanted: dict[str, int]) -> None:
    with pytest.raises(TrainingError) as caught:
        picked({"a": np.arange(5)}, wanted, seed=0)
    assert caught.value.code == "data.rows"
