"""Figures of an experiment, by matplotlib. Nothing is shown here: they show themselves in a notebook, or are saved."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from bus.errors import NotFound
from bus.suggestions import did_you_mean
from muster.sdk.history import Confused, Scored
from muster.sdk.libraries import library

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE: Final = (6.4, 4.0)
_STAGES: Final = {"received": "as received", "trained": "after training at the edges"}


class Figures:
    """What can be drawn of what an experiment has recorded so far.

    Args:
        name: Of the experiment.
        scores: All of them.
        classes: What it tells apart; ``None`` if it predicts a number.
        confusions: All matrices that are recorded.
    """

    def __init__(
        self,
        name: str,
        scores: Sequence[Scored],
        classes: Sequence[str] | None = None,
        confusions: Sequence[Confused] = (),
    ) -> None:
        self._name = name
        self._scores = scores
        self._classes = classes or ()
        self._confusions = confusions

    def __repr__(self) -> str:
        return f"<figures: {', '.join(self.curves) or 'nothing is recorded yet'}>"

    @property
    def curves(self) -> tuple[str, ...]:
        """What ``learning_curve`` takes."""
        return tuple(dict.fromkeys(f"{each.split}.{each.metric}" for each in self._scores))

    def learning_curve(self, what: str = "validation.accuracy") -> Figure:
        """A metric over the training cycles, a line for each stage.

        Args:
            what: Split and metric, e.g. ``validation.accuracy``, ``train.log_loss``, ``test.roc_auc``.

        Raises:
            NotFound: Nothing was recorded under that name; the nearest one is told.
            Configuration: matplotlib is not installed.
        """
        wanted = [each for each in self._scores if f"{each.split}.{each.metric}" == what]
        if not wanted:
            hint = did_you_mean(what, self.curves) if self.curves else "no cycle has ended yet"
            raise NotFound(f"nothing is recorded for {what!r}; {hint}", code="sdk.unrecorded")
        figure, axes = _figure()
        for stage, label in _STAGES.items():
            points = [(each.cycle, each.value) for each in wanted if each.stage == stage and each.value is not None]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", label=label)
        axes.set(title=self._name, xlabel="training cycle", ylabel=what)
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
        return figure

    def confusion_matrix(self, split: str = "test") -> Figure:
        """How many rows of each class were taken for which, by the last model that was evaluated.

        Args:
            split: Of which rows.

        Raises:
            NotFound: None is recorded: the experiment is about a number, has too many classes, has not been evaluated
                yet, or ran in a release that did not record any.
            Configuration: matplotlib is not installed.
        """
        found = [each for each in self._confusions if each.split == split]
        if not found:
            why = "it does not tell classes apart" if not self._classes else "no evaluation recorded one"
            raise NotFound(f"no confusion matrix is recorded for the {split} rows: {why}", code="sdk.unrecorded")
        counts = found[-1].counts
        most = max(1, *map(max, counts))
        figure, axes = _figure()
        axes.imshow(counts, cmap="Blues", vmin=0)
        places = range(len(self._classes))
        axes.set_xticks(places, self._classes, rotation=45, ha="right")
        axes.set_yticks(places, self._classes)
        for row, column in product(places, places):
            count = counts[row][column]
            color = "white" if 2 * count > most else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color)
        title = f"{self._name}: {split} rows after cycle {found[-1].cycle}"
        axes.set(title=title, xlabel="predicted class", ylabel="true class")
        return figure


def _figure() -> tuple[Figure, Axes]:
    """A figure of no backend, hence for any, which shows itself in notebooks without one."""
    module: Any = library("matplotlib.figure", "a figure")

    class Picture(module.Figure):  # type: ignore[misc]
        def _repr_png_(self) -> bytes:
            with BytesIO() as buffer:
                self.savefig(buffer, format="png", dpi=110)
                return buffer.getvalue()

    figure: Figure = Picture(figsize=_SIZE, layout="constrained")
    return figure, figure.add_subplot()
