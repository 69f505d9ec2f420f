"""How checks of a model and a running experiment look, in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bus.events.cycles import CycleKind
from bus.wire.record import Record
from muster.telling.follow import View
from muster.telling.story import told
from muster.telling.summary import decided, headlines, score_text, waiting_for
from training.contract.report import State, Step

_MARKS: Final = {State.PASSED: ("✓", "green"), State.FAILED: ("✗", "bold red"), State.SKIPPED: ("-", "dim")}
_STAGES = {
    CycleKind.STATISTICS: "summing up",
    CycleKind.INITIALISE: "initialising",
    CycleKind.TRAIN: "training",
    CycleKind.EVALUATE: "evaluating",
}


class Display:
    """Shows a view as it changes: live in a terminal, else a line per event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[Display]:
        """Shows from here on; leaves the last picture standing."""
        if not _redraws(self._console):
            yield self
            return
        with Live(console=self._console, refresh_per_second=8, transient=True) as live:
            self._live = live
            yield self
        self._live = None

    def tell(self, view: View, record: Record | None) -> None:
        """See ``muster.telling.follow.follow``."""
        if self._live is not None:
            self._live.update(picture(view))
        elif record is not None:
            self._console.print(told(record).text, markup=False, soft_wrap=True)


def _redraws(console: Console) -> bool:
    """Whether a picture can be drawn over the last one: in a notebook only ipywidgets can."""
    return console.is_terminal and not (console.is_jupyter and find_spec("ipywidgets") is None)


def show_check(console: Console, step: Step) -> None:
    """A line for a check that is over, and two more for one that failed."""
    mark, style = _MARKS[step.state]
    line = Text.assemble((f"{mark} ", style), f"{step.check:<11} ", (step.found, "dim"))
    if step.state is State.PASSED:
        line.append(f"  {step.seconds:.1f} s", style="dim")
    console.print(line, soft_wrap=True)
    if step.state is State.FAILED:
        console.print(Text(f"    expected: {step.expected}"), soft_wrap=True)
        console.print(Text(f"    fix:      {step.fix}"), soft_wrap=True)


def table(*columns: str) -> Table:
    """A plain table."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # An id that is cut is no use to anybody.
        made.add_column(column, no_wrap=column == "ID", overflow="fold")
    return made


def picture(view: View) -> RenderableType:
    """The state of a view as a block of a few lines."""
    experiment = view.experiment
    done, total = view.steps
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(experiment.spec.name, style="bold", no_wrap=True, overflow="ellipsis"),
        ProgressBar(total=total, completed=done, width=24),
        Text(_stage(view), style="cyan", no_wrap=True),
        Text(_eta(view), no_wrap=True),
    )
    rows = Table.grid(padding=(0, 2))
    for edge, doing in view.edges():
        rows.add_row(Text(f"  {edge}"), Text(doing, style="dim"))
    parts: list[RenderableType] = [head, rows]
    reason = waiting_for(experiment, view.world, view.queued)
    if reason and not view.edges():
        parts.append(Text(f"  {reason}", style="yellow"))
    if view.scores:
        parts.append(Text("  " + scores_line(view)))
    parts += [Text(f"  {line}", style="yellow") for line in decided(experiment)]
    return Group(*parts)


def scores_line(view: View) -> str:
    """The headline metrics of the last global model."""
    best = headlines(view.scores)
    trained = [score for score in best if (score.stage, score.split) == ("trained", "validation")] or best
    split = trained[0].split if trained else ""
    chosen = [score for score in trained if score.split == split]
    return f"{split}: " + ", ".join(score_text(score) for score in chosen)


def _stage(view: View) -> str:
    """What is going on, e.g. ``training 2 of 5``."""
    experiment = view.experiment
    if experiment.cycle is None:
        return experiment.phase.value
    cycle = experiment.cycle.cycle
    word = _STAGES[cycle.kind]
    return f"{word} {cycle.number} of {experiment.spec.cycles}" if cycle.kind is CycleKind.TRAIN else word


def _eta(view: View) -> str:
    seconds = view.eta_s(datetime.now(UTC))
    if seconds is None or view.over:
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"ETA {minutes}:{rest:02}"
