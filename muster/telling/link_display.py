"""How a model that is held to a dataset looks: in a terminal, and where the SDK shows itself."""

from __future__ import annotations

import math
from collections.abc import Iterator

import yaml
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from bus.events.datasets import Split
from muster.submission.linking import Link
from muster.submission.rows import total
from muster.telling.display import table
from training.dataset import SPLITS
from training.preprocessing.choices import Derived


def shown(found: Link) -> Iterator[RenderableType]:
    """All of it, in rich's markup."""
    yield requirements(found)
    yield ""
    yield edges(found)
    yield ""
    yield _columns(found)
    yield ""
    if found.derivable:
        yield "features that can be made of these columns, e.g. in data.derive:"
        for each in found.derivable:
            yield escape(f"  - {_fragment(each)}")
    else:
        yield "no features can be made of these columns: too few hold numbers, or an owner does not permit it"
    for problem in found.problems:
        yield escape(f"\nto change, {problem.parameter}: {problem.fix}")
        yield from (escape(f"  - {each}") for each in problem.problems)


def requirements(found: Link) -> Table:
    """What was expected and found, parameter by parameter."""
    made = table("PARAMETER", "EXPECTED", "FOUND", "OK")
    for each in found.requirements:
        mark = {True: "yes", False: "[bold red]NO[/]", None: "?"}[each.ok]
        made.add_row(each.parameter, escape(each.expected), escape(each.found), mark)
    return made


def edges(found: Link) -> Table:
    """Rows at each edge and in all, and how many of them the plan takes."""
    taken = {} if found.data is None else found.data.taken
    made = table("EDGE", "TRAIN", "TEST", *(["TAKEN"] if taken else []))
    for edge, splits in found.edges.items():
        parts = [*(splits.get(name) for name in SPLITS), *([taken.get(edge)] if taken else [])]
        made.add_row(edge, *(escape(_counts(part)) for part in parts))
    together = [*(found.total[name] for name in SPLITS), *([total(taken.values())] if taken else [])]
    made.add_row("all", *(escape(_counts(part)) for part in together))
    return made


def _counts(split: Split | None) -> str:
    if split is None:
        return "none"
    classes = ", ".join(f"{name}: {count}" for name, count in sorted((split.classes or {}).items()))
    return f"{split.rows}" + (f" ({classes})" if classes else "")


def _columns(found: Link) -> Table:
    made = table("COLUMN", "KIND", "USE", "MISSING", "MODIFIABLE", "NOT AT")
    for each in found.columns:
        kinds = " or ".join(each.kinds) + ("" if each.words is None else f", {each.words} words")
        modifiable = "yes" if each.modifiable else "no"
        made.add_row(escape(each.name), kinds, each.use, f"{each.missing:.1%}", modifiable, ", ".join(each.absent))
    return made


def _fragment(example: Derived) -> str:
    """As it stands in a plan, in one line."""
    said = example.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=math.inf)).strip()
