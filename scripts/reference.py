"""Writes the reference pages that follow from the code. Run by `make docs`; a test checks that they are current.

Usage: reference.py [DIRECTORY]

DIRECTORY is that of all documents; without it: docs.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import typer
from pydantic import BaseModel

import muster
from aggregator.service import AggregatorSettings
from audit_sink.service import AuditSinkSettings
from bus.errors import TREATMENT, MusterError
from bus.events import Body, Command, Event, Signal
from bus.events.catalogue import CATALOGUE
from bus.events.metrics import METRICS, Problem
from bus.events.strategies import KINDS
from bus.runtime.settings import ServiceSettings
from coordinator.service import CoordinatorSettings
from edge_daemon.settings import EdgeSettings
from muster.cli.main import app
from muster.errors.catalogue import AREAS, ENTRIES
from muster.errors.page import markdown
from policy_engine.service import PolicyEngineSettings
from training.contract.archive import MAX_ARCHIVE_BYTES, MAX_FILES, MAX_NAME, MAX_RATIO, MAX_TOTAL_BYTES
from training.contract.report import EIGHT, MAX_PARAMETERS, MEANINGS
from training.contract.source import MAX_BYTES
from training.contract.variables import CATEGORIES, MODEL_TYPES, VARIABLES, Variable
from training.losses import Loss, LossName
from training.plan import Plan
from training.registry import default_registry
from training.schedules import KINDS as SCHEDULES
from training.schedules import LearningRate
from training.weighting import ClassWeights

STRATEGIES_TEXT = """\
`strategy: {name: fedmedian}` in a plan; parameters beside the name, e.g.
`strategy: {name: fedtrimmedavg, parameters: {beta: 0.1}}`. What is left out has the default below, and the submission
says all values, so that a later release changes nothing of an experiment. `muster fork --strategy NAME --parameter k=v`
goes on with another strategy; with `--anew` it averages the stored updates of a cycle anew.

A strategy is about what is learnt: floating-point tensors with the reduction `mean`, in training cycles. Statistics,
first models, `sum`, `keep` and integer tensors are combined alike, whatever the strategy. Members (`union`), such as
the trees of a forest, are joined; a strategy that chooses among updates takes those of the updates that it chose.

All of them give the same bits on any machine, in any order of the updates, and `muster replay` proves it: sums over
updates and sums of squared distances are exact, everything else is a fixed order of elementwise float64 operations, and
one rounding to the tensor's type ends it. What a strategy keeps from cycle to cycle is a sealed object of its own for
the aggregator alone, with float64 values. A fork with the same strategy goes on with it; one with another strategy
begins without.

n is the number of updates, x the last global model. Robust strategies look at tensors as they are: they give every edge
the same say, since a bad edge may also lie about its example count.

`fedprox` and `scaffold` change how edges train, and are refused for frameworks that cannot do that. With `scaffold` the
global model holds, beside each parameter `model.p`, the server's control variate `scaffold.p`, zero at first; in an
update it is the change of the edge's own, which never leaves the edge. It doubles what travels. A model that is
downloaded still holds them, and predictions do not look at them. An edge that is new, that lost its disk, or whose
updates never counted begins with zero, as in the paper, and what it says names the update that it went on from. Steps
are plain SGD, `weight_decay` allowed. A fork can leave `scaffold`, and cannot enter it.

Where our defaults are not those of Flower: `momentum` is 0.9 (Flower: 0, which is fedavg), and krum expects one bad
update (Flower: none).
"""
METRICS_TEXT = """\
Edges compute metrics with scikit-learn, on their own rows. Beside them they send counts and sums, see
[the events](events.md), and from those follows what the metric of all edges' rows in one place is. `muster scores ID`
shows all of them, `muster run --follow` a few; `bus.events.metrics.METRICS` is this page as data.

- *exact*: the same as scikit-learn's on all rows, but for rounding. The order of the edges changes no bit.
- *bounded*: rows are counted in bins, by what the model says of them. The score is the middle of where the metric can
  lie, and its `within` how far off it can be at most, which follows from the counts: about 0.0002 for the ROC AUC of
  two classes, 0.006 for that of ten. Each class is ranked against the others, for up to 32 classes.
- Where that is not sent, which is so in training cycles, for more classes and for metrics of plug-ins, the score is the
  mean of the edges' values, weighted by rows. That is another number than that of all rows. `method` says for each
  score how it was combined.
- A metric that cannot be computed is null, with a `reason`, and never 0.
- Means over classes count every class of the experiment alike, also one without rows here.
- An error is the prediction less the truth, in the target's own unit.
- The loss of the plan is not among them: `log_loss` and `mse` are the usual ones, and `progress.reported` has the loss
  as it falls.

What edges tell beside their metrics, and what that says of their rows: [metrics over edges](../explanation/metrics.md).
"""
RATES_TEXT = """\
A number, or one of these schedules. `t` is the number of epochs since the experiment began, in fractions within an
epoch: `(cycle - 1) epochs + epoch`. Every edge is at the same `t` in the same cycle, however many steps it takes.
"""
NOTE = "<!-- Written by scripts/reference.py from the code; change the code, then run `make docs`. -->\n"
HEADER_ROWS = 2
WIDTH = 110
SETTINGS = (
    ServiceSettings,
    CoordinatorSettings,
    AggregatorSettings,
    PolicyEngineSettings,
    AuditSinkSettings,
    EdgeSettings,
)


def first_line(thing: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n", 1)[0]


def attribute_docs(model: type) -> dict[str, str]:
    """Field -> the docstring below it in the class's source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    name = ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = " ".join(str(node.value.value).split())
            name = ""
        else:
            name = ""
    return found


def all_docs(model: type[BaseModel]) -> dict[str, str]:
    """The same, of inherited fields too."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base.__module__.split(".")[0] != "pydantic":
            found |= attribute_docs(base) if base.__module__ != "pydantic_settings.main" else {}
    return found


def type_name(annotation: object) -> str:
    """A type as a reader would write it."""
    if annotation == LearningRate | None:
        # Pydantic's own words for it fill lines; its kinds have a section each.
        return "float or a schedule \\| None"
    if annotation == Loss | None:
        return f"{' or '.join(map(repr, get_args(LossName)))} or a file \\| None"
    if annotation == ClassWeights | None:
        return "'balanced' or numbers by label \\| None"
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    # Bounds within a type are told in words.
    text = re.sub(r"typing\.Annotated\[([\w.]+), FieldInfo\([^]]*\]\)\]", r"\1", text)
    # Module names say nothing to a reader: bus.events.cycles.Cycle -> Cycle.
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text).replace("|", "\\|")


def fields(model: type[BaseModel]) -> Iterator[str]:
    """A table of a model's fields."""
    docs = all_docs(model)
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)}`"
        yield f"| `{name}` | {type_name(field.annotation)} | {default} | {docs.get(name, '')} |"


def events() -> Iterator[str]:
    """Every body that travels."""
    yield "# Events, commands and signals\n"
    yield NOTE
    yield "Every message body, who may say it, and its fields. `docs/reference/bus.md` says how they travel.\n"
    for title, kind in (("Events", Event), ("Commands", Command), ("Signals", Signal)):
        yield f"## {title}\n"
        for body in sorted({body for body in CATALOGUE if issubclass(body, kind)}, key=lambda b: b.TYPE):
            yield from described(body)
    yield "## Values inside them\n"
    for value in sorted(values(), key=lambda value: value.__name__):
        yield f"### {value.__name__}\n\n{first_line(value)}\n"
        yield from fields(value)
        yield ""


def values() -> set[type[BaseModel]]:
    """Models that bodies are made of."""
    found: set[type[BaseModel]] = set()
    open_: list[object] = [field.annotation for body in CATALOGUE for field in body.model_fields.values()]
    while open_:
        annotation = open_.pop()
        open_ += get_args(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in found:
            found.add(annotation)
            open_ += [field.annotation for field in annotation.model_fields.values()]
    return found


def described(body: type[Body]) -> Iterator[str]:
    """One body."""
    yield f"### `{body.TYPE}`\n"
    yield f"{first_line(body)} Version {body.VERSION}; said by {', '.join(sorted(body.BY))}.\n"
    yield from fields(body)
    yield ""


def errors() -> Iterator[str]:
    """The error families, and all numbers."""
    yield "# Errors\n"
    yield NOTE
    yield (
        "An error's family says what can be done about it; its code says exactly what happened. Each code has a number "
        "that stays, and a page: `muster errors M1203` shows it without a network.\n"
    )
    yield "| family | meaning | a consumer answers | exit status |"
    yield "|---|---|---|---|"
    for family, treatment in sorted(TREATMENT.items(), key=lambda item: item[1].exit_code):
        yield f"| `{family.family}` | {first_line(family)} | {treatment.ack} | {treatment.exit_code} |"
    fields = '{"error": {"code", "number", "message", "details"}}'
    yield f"\nWith `--json` an error is one object on standard output: `{fields}`."
    yield "A failure is what an edge or a service says about its part of an experiment; it has a category instead.\n"
    for area in AREAS:
        yield f"## {area.title}\n"
        yield "| number | code | what happened | whose move |"
        yield "|---|---|---|---|"
        for entry in area.entries:
            anchor = f'<a id="{entry.label.lower()}"></a>'
            link = f"[{entry.label}](../errors/{entry.label}.md)"
            yield f"| {anchor}{link} | `{entry.code}` | {entry.meaning} | {entry.who} |"
        yield ""


def settings() -> Iterator[str]:
    """Settings of all processes."""
    yield "# Settings\n"
    yield NOTE
    yield "Each process reads one YAML file (`--settings FILE`); a variable `MUSTER_<FIELD>` of the environment wins.\n"
    common = [f"| `{name}` |" for name in ServiceSettings.model_fields]
    for model in SETTINGS:
        rows = [row for row in fields(model) if model is ServiceSettings or not row.startswith(tuple(common))]
        if len(rows) > HEADER_ROWS:
            yield f"## {model.__name__}\n\n{first_line(model)}\n"
            yield from rows
            yield ""


def plan() -> Iterator[str]:
    """The plan file."""
    yield "# The plan\n"
    yield NOTE
    yield "A YAML file. A field that does not exist is an error that names the nearest one.\n"
    for name, model in _sections("", Plan):
        yield f"## {name or 'top level'}\n\n{first_line(model)}\n"
        yield from fields(model)
        yield ""
    yield f"## training.learning_rate\n\n{RATES_TEXT}"
    for name, kind in SCHEDULES.items():
        yield f"### {name}\n\n{first_line(kind)}\n"
        yield from fields(kind)
        yield ""


def _sections(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        arguments = get_args(field.annotation)
        # The values of a mapping that may be left out are two levels down.
        for part in (field.annotation, *arguments, *(inner for each in arguments for inner in get_args(each))):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _sections(f"{path}.{name}" if path else name, part)


def commands() -> Iterator[str]:
    """`--help` of every command."""
    yield "# Commands\n"
    yield NOTE
    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="muster", terminal_width=WIDTH, max_content_width=WIDTH)
    yield f"```text\n{root.get_help(context).rstrip()}\n```\n"
    yield from _commands(root, context, "muster")


def _commands(group: object, context: typer.Context, path: str) -> Iterator[str]:
    for name, command in sorted(getattr(group, "commands", {}).items()):
        below = typer.Context(command, info_name=name, parent=context, terminal_width=WIDTH, max_content_width=WIDTH)
        yield f"## `{path} {name}`\n\n```text\n{command.get_help(below).rstrip()}\n```\n"
        yield from _commands(command, below, f"{path} {name}")


def strategies() -> Iterator[str]:
    """All strategies."""
    yield "# Strategies\n"
    yield NOTE
    yield STRATEGIES_TEXT
    yield "| name | what becomes of the updates | by example counts | state per element | reads each update | needs |"
    yield "|---|---|---|---|---|---|"
    for kind in KINDS.values():
        least = "n >= 2 f + 3" if "f" in kind.parameters else ""
        able = " or ".join(sorted(kind.frameworks or ()))
        least = f"{able} at the edges: {kind.edges}" if kind.frameworks is not None else least
        facts = (
            f"`{kind.name}`",
            kind.formula.replace("|", "\\|"),
            "yes" if kind.weighted else "no",
            ", ".join(kind.state) or "none",
            "twice" if kind.passes == 2 else "once",
            least,
        )
        yield f"| {' | '.join(facts)} |"
    yield "\n## Parameters\n"
    yield "| strategy | parameter | default | allowed | meaning |"
    yield "|---|---|---|---|---|"
    for kind in KINDS.values():
        for name, one in kind.parameters.items():
            yield f"| `{kind.name}` | `{name}` | `{one.default:g}` | {one.bounds} | {one.meaning} |"
    yield "\n## Where they come from\n"
    for kind in KINDS.values():
        yield f"- `{kind.name}`: {kind.paper}"


def model() -> Iterator[str]:
    """The model file's header."""
    yield "# The model file\n"
    yield NOTE
    yield (
        "Variables at the top level of the model file, each in a line of its own, written out. "
        "[How to write one](../how-to/write-a-model.md).\n"
    )
    trained = default_registry().categories
    yield "| name | value | meaning | for | needed for |"
    yield "|---|---|---|---|---|"
    for one in VARIABLES:
        kind = one.kind.value.replace("|", "\\|")
        frameworks = f" ({', '.join(sorted(one.frameworks))})" if one.frameworks else ""
        yield f"| `{one.name}` | {kind} | {one.meaning} | {_named(one.categories)} | {_needed(one)}{frameworks} |"
    yield "\n## Categories\n"
    yield f"This version trains {', '.join(f'`{name}`' for name in sorted(trained))}. Others have their names already:"
    yield ", ".join(f"`{name}`" for name in sorted(CATEGORIES - trained.keys())) + ".\n"
    yield "## Model types\n"
    for framework, types in MODEL_TYPES.items():
        yield f"- `{framework}`: {', '.join(f'`{name}`' for name in types)}"
    yield "\n## Checks\n"
    for place, check in enumerate(EIGHT, 1):
        yield f"{place}. `{check}`: {MEANINGS[check]}"
    yield "\n## Limits\n"
    yield f"- a Python file: {MAX_BYTES:,} bytes"
    yield f"- a zip: {MAX_ARCHIVE_BYTES:,} bytes; unpacked {MAX_TOTAL_BYTES:,}; {MAX_FILES} files; {MAX_RATIO} to 1"
    yield f"- a name: {MAX_NAME} letters, digits, `_`, `-`, `.`"
    yield f"- parameters that are learnt: {MAX_PARAMETERS:,}"


def metrics() -> Iterator[str]:
    """All metrics."""
    yield "# Metrics\n"
    yield NOTE
    yield METRICS_TEXT
    for problem in Problem:
        yield f"\n## {problem.capitalize()}\n"
        yield "| name | what | better | range | over edges | in training | to know |"
        yield "|---|---|---|---|---|---|---|"
        for metric in METRICS.values():
            if metric.problem is problem:
                ends = ("-inf" if metric.least is None else metric.least, "inf" if metric.most is None else metric.most)
                facts = (
                    f"`{metric.name}`",
                    metric.formula.replace("|", "\\|"),
                    metric.better,
                    " to ".join(f"{end:g}" if isinstance(end, float) else end for end in ends),
                    metric.combined,
                    "yes" if metric.in_training else "",
                    metric.note,
                )
                yield f"| {' | '.join(facts)} |"


def _named(categories: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(categories)) or "all"


def _needed(one: Variable) -> str:
    if one.needed == CATEGORIES:
        return "all"
    return _named(one.needed) if one.needed else "none"


def sdk() -> Iterator[str]:
    """The Python SDK."""
    yield "# The Python SDK\n"
    yield NOTE
    yield (
        "`import muster`; nothing else of the package is meant to be imported. "
        "[How to use it](../how-to/use-from-python.md). `muster.aio` has `Federation` and `Experiment` with the same "
        "methods, to be awaited; what has to ask the federation and is a property below is a method there.\n"
    )
    public = {name: getattr(muster, name) for name in muster.__all__}
    for name, thing in public.items():
        if inspect.isclass(thing) and not issubclass(thing, MusterError):
            yield f"## {name}\n\n{first_line(thing)}\n"
            yield from members(thing)
            yield ""
    yield "## Functions\n"
    for name, thing in public.items():
        if inspect.isfunction(thing):
            yield f"- {signature(name, thing)}: {first_line(thing)}"
    yield "\n## Errors\n"
    yield "All have `message`, `code` and `details`. `muster errors CODE` explains a code.\n"
    for name, thing in public.items():
        if inspect.isclass(thing) and issubclass(thing, MusterError):
            above = "" if thing is MusterError else f" (a `{thing.__mro__[1].__name__}`)"
            yield f"- `{name}`{above}: {first_line(thing)}"


def members(kind: type) -> Iterator[str]:
    """What a class of the SDK offers; fields of a dataclass are its attributes."""
    for name in vars(kind):
        thing = inspect.getattr_static(kind, name)
        if name.startswith("_") or name == "of":
            continue
        if isinstance(thing, property):
            yield f"- `.{name}`: {first_line(thing.fget)}"
        elif isinstance(thing, classmethod | staticmethod):
            yield f"- {signature(f'{kind.__name__}.{name}', thing.__func__)}: {first_line(thing.__func__)}"
        elif inspect.isfunction(thing):
            yield f"- {signature(f'.{name}', thing)}: {first_line(thing)}"
    if dataclasses.is_dataclass(kind):
        yield f"- fields: {', '.join(f'`{field.name}`' for field in dataclasses.fields(kind))}"


def signature(name: str, function: object) -> str:
    """A call as a reader would write it: names, and what each is if it is left out."""
    found = inspect.signature(function)  # type: ignore[arg-type]
    kept = [each.replace(annotation=inspect.Parameter.empty) for each in list(found.parameters.values())]
    if kept and kept[0].name in {"self", "cls"}:
        kept = kept[1:]
    return f"`{name}{inspect.Signature(kept)}`"


PAGES = {
    "sdk.md": sdk,
    "model.md": model,
    "strategies.md": strategies,
    "metrics.md": metrics,
    "events.md": events,
    "errors.md": errors,
    "settings.md": settings,
    "plan.md": plan,
    "commands.md": commands,
}


def main(directory: Path) -> None:
    """Write all pages."""
    for name in ("reference", "errors"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (directory / "reference" / name).write_text("\n".join(page()).rstrip() + "\n", encoding="utf-8")
    for entry in ENTRIES:
        (directory / "errors" / f"{entry.label}.md").write_text(markdown(entry), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs")
