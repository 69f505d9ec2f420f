"""A model that went through the eight checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from muster.sdk.listing import html_table, text_table
from muster.submission.vetting import Subject
from training.contract.header import Header
from training.contract.report import Report


@dataclass(frozen=True)
class Model:
    """A model file that can be trained in federation. Nothing of it has left this machine.

    Attributes:
        subject: The file as it was read.
        report: What the checks found.
    """

    subject: Subject
    report: Report

    @property
    def path(self) -> Path:
        """Of the ``.py`` or ``.zip``, absolute."""
        return self.subject.path

    @property
    def weights(self) -> Path | None:
        """The file of weights that it begins with, if there is one."""
        return self.subject.weights

    @property
    def header(self) -> Header:
        """What it says about itself."""
        return self.subject.header

    def _rows(self) -> list[list[str]]:
        return [[step.check.value, step.state.value, step.found] for step in self.report.steps]

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(_HEADINGS, self._rows())}"

    def _repr_html_(self) -> str:
        return f"<p>{self._title()}</p>{html_table(_HEADINGS, self._rows())}"

    def _title(self) -> str:
        return f"{self.path.name}: {self.header.category} with {self.header.framework}"


_HEADINGS = ("check", "result", "found")
