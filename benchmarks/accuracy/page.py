"""What came of it, as the page on accuracy and as the README of the models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

from benchmarks.accuracy.data import SHARES, TEST, parted
from benchmarks.accuracy.learning import Compared, Learner
from benchmarks.accuracy.models import FOLDER, Model, models
from benchmarks.measure.tables import table
from training.registry import GuidedModel
from training.weights import is_union

DOCS: Final = Path(__file__).parents[2] / "docs" / "explanation"
BOUND: Final = 2.0
"""Points that learning apart may cost."""

Row = tuple[Model, str, Sequence[Compared]]
Skewed = Mapping[tuple[float, str], Sequence[Compared]]
"""Share of rows that is sorted, strategy -> what came of it."""

_PAGE: Final = """# What learning apart costs in accuracy

<!-- Written by `python -m benchmarks.accuracy --write`; do not change numbers by hand. -->

Every model of [examples/models](../../examples/models) learns from real tables that come with scikit-learn: once in
federation, at {edges} edges with {shares} of the rows, and once from the same rows pooled in one place, for as many
epochs as all cycles together have. Both are scored on {test} % of the rows, which nobody learns from. Points are
accuracy in percent, or R2 times 100; each is the mean over {deals} deals of the rows. *Lost* is pooled less federated:
below zero, learning apart is the better one. *Largest alone* is what the edge with the most rows reaches by itself.

{main}

The most that any model loses on any table is {worst:.2f} points; `tests/accuracy` fails above {bound:g}. Trees lose
most, since each of them is grown on the rows of one edge, and these tables are small.

## Where edges have different rows

The rows above are dealt at random. Here a share of them is sorted by class before they are dealt, so that edges hold
classes of their own: `{skew_model}` on {skew_data}, with three strategies.

{skewed}

## One edge

A federation of one edge is local training: every byte of every tensor is the same, for every model above
(`tests/accuracy/test_one_edge.py`; and through real processes, `tests/accuracy/test_federation.py`).

## How it is measured

Training is what workers do and combining is what the aggregator does, in one process; seals, streams and processes
change nothing of either, which `tests/accuracy/test_federation.py` holds against a real federation.
"""
_README: Final = """# Models to begin with

<!-- Written by `python -m benchmarks.accuracy --write` from models.yaml; do not change it by hand. -->

Small models for tables, each in a file of its own that `muster model check` passes. Take the one that fits, put it
beside a plan, and change what you like.

```sh
muster model check examples/models/torch/mlp_classifier.py --features 30 --classes 2
```

{tables}

- *learns*: how many numbers, with {columns} columns and two classes, or one number to predict; forests grow trees.
- *a plan that suits it*: `cycles` and `training` of [the plan](../../docs/reference/plan.md), for some hundreds to
  some thousands of rows per edge.
- *strategies*: `strategy.name` in the plan, the first one to take first;
  [all of them](../../docs/reference/strategies.md).

How well they do, in federation and pooled: [accuracy](../../docs/explanation/accuracy.md). Worked examples with data:
[breast cancer in PyTorch](../breast-cancer-torch), [in TensorFlow](../breast-cancer-tensorflow),
[diabetes](../diabetes).
"""
_SHOWN: Final = "breast-cancer"


def lost(found: Sequence[Compared]) -> float:
    """Points that learning apart costs, on average over deals, to a hundredth."""
    return round(fmean(each.pooled - each.federated for each in found), 2) + 0.0


def main_table(rows: Sequence[Row]) -> str:
    """Every model on every table."""
    lines = [
        (f"`{model.name}`", data, *(f"{value:.2f}" for value in _means(found)), f"{lost(found):+.2f}")
        for model, data, found in rows
    ]
    return table("", ("model", "table", "federated", "pooled", "largest alone", "lost"), lines).strip()


def skew_table(skewed: Skewed) -> str:
    """Strategies over how different edges are."""
    strategies = list(dict.fromkeys(strategy for _, strategy in skewed))
    lines = []
    for skew in dict.fromkeys(skew for skew, _ in skewed):
        found = [skewed[skew, strategy] for strategy in strategies]
        pooled = fmean(each.pooled for each in found[0])
        lines.append((f"{skew:.0%}", *(f"{_means(each)[0]:.2f}" for each in found), f"{pooled:.2f}"))
    return table("", ("sorted", *strategies, "pooled"), lines).strip()


def write(rows: Sequence[Row], skewed: Skewed, skew_of: tuple[str, str]) -> None:
    """Write both pages."""
    (DOCS / "accuracy.md").write_text(
        _PAGE.format(
            edges=len(SHARES),
            shares=", ".join(f"{share:.0%}" for share in SHARES),
            test=round(100 * TEST),
            deals=len(rows[0][2]),
            main=main_table(rows),
            worst=max(lost(found) for _, _, found in rows),
            bound=BOUND,
            skew_model=skew_of[0],
            skew_data=skew_of[1],
            skewed=skew_table(skewed),
        )
    )
    (FOLDER / "README.md").write_text(readme())


def readme() -> str:
    """That of the models."""
    task = parted(_SHOWN, 0).task
    groups: dict[str, list[Model]] = {}
    for model in models():
        groups.setdefault(model.header.framework, []).append(model)
    columns = ("file", "use", "learns", "a plan that suits it", "strategies")
    tables = "\n\n".join(_left(f"## {name}", columns, map(_described, group)) for name, group in groups.items())
    return _README.format(tables=tables, columns=len(task.features))


def _described(model: Model) -> tuple[str, ...]:
    shown = parted(_SHOWN, 0).task
    task = shown if model.classifies else type(shown)(shown.features, shown.target, None)
    made = Learner(model, task, 0).made
    parameters = made.initial(0)
    learnt = made.learnt if isinstance(made, GuidedModel) else parameters.keys()
    numbers = sum(parameters[name].size for name in learnt if parameters[name].dtype.kind == "f")
    grows = any(is_union(reduction) for reduction in getattr(made, "reductions", {}).values())
    said = model.training.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    plan = ", ".join(f"{name}: {value}" for name, value in said.items())
    file = Path(model.name).name
    return (
        f"[{file}]({model.name})",
        model.use,
        "trees" if grows else f"{numbers:,}",
        f"`cycles: {model.cycles}` `training: {{{plan}}}`",
        ", ".join(model.strategies),
    )


def _left(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return table(title, columns, rows).replace(" --: ", " --- ")


def _means(found: Sequence[Compared]) -> tuple[float, float, float]:
    return fmean(c.federated for c in found), fmean(c.pooled for c in found), fmean(c.largest for c in found)
