"""What validation finds, and how much of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ingest.domain.records import Fault, LocalText

KEPT: Final = 50
"""Findings of each severity that are kept per validator; more are counted."""


class Severity(StrEnum):
    """What a finding means for the load."""

    ERROR = "error"
    """Nothing is stored."""
    WARNING = "warning"
    """The data is stored; somebody should look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that validation found.

    Attributes:
        severity: Whether it stops the load.
        code: Which rule, e.g. ``cell.integer``.
        message: What was expected and what to do; never what a cell holds.
        line: Line of the file, from 1; ``None`` for the file as a whole.
        column: Name of the column in the schema.
        found: Out of the file, cut to 40 characters. Stays at the owner's site.
    """

    severity: Severity
    code: str
    message: str
    line: int | None = None
    column: str | None = None
    found: LocalText | None = None

    def __str__(self) -> str:
        """Place and message, without what was found: fit for an error message."""
        place = [f"line {self.line}"] if self.line is not None else []
        place += [f"column {self.column!r}"] if self.column is not None else []
        return ", ".join(place) + (": " if place else "") + self.message


@dataclass(frozen=True, slots=True)
class Totals:
    """How much one validator found, kept or not."""

    errors: int = 0
    warnings: int = 0


@dataclass(frozen=True)
class Verdict:
    """The outcome of a validation.

    Attributes:
        findings: Errors first, at most 50 errors and 50 warnings of each validator.
        totals: Validator -> how much it found; validators without findings are left out.
    """

    findings: tuple[Finding, ...] = ()
    totals: Mapping[str, Totals] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """Number of errors, kept or not."""
        return sum(total.errors for total in self.totals.values())

    @property
    def warnings(self) -> int:
        """Number of warnings, kept or not."""
        return sum(total.warnings for total in self.totals.values())

    def summary(self, first: int = 3) -> str:
        """The number of errors and the first of them, without values out of the file."""
        errors = [str(finding) for finding in self.findings if finding.severity is Severity.ERROR]
        more = f" (and {self.errors - first} more)" if self.errors > first else ""
        plural = "s" if self.errors > 1 else ""
        return f"{self.errors} error{plural}: " + "; ".join(errors[:first]) + more


class Collector:
    """Keeps the first findings of each validator and counts the rest.

    Args:
        sink: Told of every error about a line as it is found, kept or not; for the report of failed records.
    """

    def __init__(self, sink: Callable[[Finding], None] | None = None) -> None:
        self._sink = sink
        self._kept: dict[Severity, dict[str, list[Finding]]] = {severity: {} for severity in Severity}
        self._counts: dict[Severity, dict[str, int]] = {severity: {} for severity in Severity}

    def add(self, validator: str, finding: Finding) -> None:
        """Take in a finding of ``validator``."""
        counts = self._counts[finding.severity]
        counts[validator] = counts.get(validator, 0) + 1
        if counts[validator] <= KEPT:
            self._kept[finding.severity].setdefault(validator, []).append(finding)
        if self._sink is not None and finding.severity is Severity.ERROR:
            self._sink(finding)

    @property
    def errors(self) -> int:
        """Errors so far."""
        return sum(self._counts[Severity.ERROR].values())

    def verdict(self) -> Verdict:
        """What was found so far."""
        errors, warnings = self._counts[Severity.ERROR], self._counts[Severity.WARNING]
        findings = [finding for severity in Severity for kept in self._kept[severity].values() for finding in kept]
        names = dict.fromkeys([*errors, *warnings])
        return Verdict(tuple(findings), {name: Totals(errors.get(name, 0), warnings.get(name, 0)) for name in names})


def error(code: str, message: str, *, line: int | None = None, column: str | None = None) -> Finding:
    """An error."""
    return Finding(Severity.ERROR, code, message, line, column)


def warning(code: str, message: str, *, line: int | None = None, column: str | None = None) -> Finding:
    """A warning."""
    return Finding(Severity.WARNING, code, message, line, column)


def of_fault(fault: Fault, line: int) -> Finding:
    """The error that a fault at ``line`` is."""
    return Finding(Severity.ERROR, fault.code, f"expected {fault.expected}", line, fault.column, fault.found)
