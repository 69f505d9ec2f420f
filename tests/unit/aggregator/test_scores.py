"""Metrics of the cohort from those of the edges."""

from __future__ import annotations

import math

import pytest

from aggregator.domain.scores import APPROXIMATE, EXACT, ROOT, combine
from bus.events.base import PrincipalId
from bus.events.weights import Score

A, B, C = (PrincipalId(f"hospital-{letter}") for letter in "abc")


def score(name: str, value: float | None, count: int, reason: str | None = None) -> Score:
    return Score(name=name, split="test", stage="received", value=value, count=count, reason=reason)


@pytest.mark.parametrize(
    ("name", "values", "expected", "method"),
    [
        ("accuracy", {A: (0.5, 10), B: (1.0, 30)}, 0.875, EXACT),
        ("rmse", {A: (3.0, 10), B: (1.0, 30)}, math.sqrt(3.0), ROOT),
        ("roc_auc", {A: (0.5, 10), B: (1.0, 10)}, 0.75, APPROXIMATE),
    ],
)
def test_each_metric_is_combined_in_its_own_way(
    name: str, values: dict[PrincipalId, tuple[float, int]], expected: float, method: str
) -> None:
    (found,) = combine({edge: (score(name, value, count),) for edge, (value, count) in values.items()}, {})
    assert found.value == pytest.approx(expected, rel=1e-15)
    assert found.method == method
    assert found.count == sum(count for _, count in values.values())


def test_a_metric_that_an_edge_could_not_compute_is_missing_with_its_reason() -> None:
    (found,) = combine({A: (score("roc_auc", None, 5, "one class only"),), B: (score("roc_auc", 0.9, 5),)}, {})
    assert found.value is None
    assert found.reason == "hospital-a: one class only"


def test_an_edge_without_rows_does_not_count() -> None:
    edges = {A: (score("accuracy", None, 0, "no rows"),), B: (score("accuracy", 0.9, 5),)}
    (found,) = combine(edges, {})
    assert (found.value, found.count) == (0.9, 5)
    (found,) = combine({A: edges[A], C: edges[A]}, {})
    assert found.value is None
    assert found.reason == "hospital-a: no rows; hospital-c: no rows"


def test_the_order_of_edges_changes_nothing() -> None:
    edges = {A: (score("accuracy", 0.1, 3),), B: (score("accuracy", 0.7, 5),), C: (score("accuracy", 1 / 3, 7),)}
    assert combine(edges, {}) == combine(dict(reversed(edges.items())), {})
