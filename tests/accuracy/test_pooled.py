"""Learning apart costs at most two points of what learning from pooled rows reaches."""

from __future__ import annotations

import pytest

from benchmarks.accuracy.data import names
from benchmarks.accuracy.learning import compared
from benchmarks.accuracy.models import Model, model, models
from benchmarks.accuracy.page import BOUND, lost

DEALS = 3
BETTER_THAN_NOTHING = {True: 85.0, False: 35.0}
"""Points that all of them reach: two models that have learnt nothing would be within the bound too."""
FEW = [
    (model(f"{framework}/{name}.py"), table)
    for framework, regressor in (("sklearn", "ridge"), ("torch", "linear"), ("tensorflow", "linear"))
    for name, table in (("logistic_classifier", "breast-cancer"), (f"{regressor}_regressor", "diabetes"))
]
ALL = [(each, table) for each in models() for table in names(classes=each.classifies)]


def within_two_points(which: Model, table: str, deals: int) -> None:
    found = compared(which, table, deals)
    assert lost(found) <= BOUND, found
    assert min(each.federated for each in found) > BETTER_THAN_NOTHING[which.classifies], found


@pytest.mark.parametrize(("which", "table"), FEW, ids=lambda each: getattr(each, "name", each))
def test_little_is_lost(which: Model, table: str) -> None:
    within_two_points(which, table, DEALS)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("which", "table"), ALL, ids=lambda each: getattr(each, "name", each))
def test_little_is_lost_by_any_model_on_any_table(which: Model, table: str) -> None:
    within_two_points(which, table, 5)
