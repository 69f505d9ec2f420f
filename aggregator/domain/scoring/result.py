"""What a formula gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """A metric of all rows.

    Attributes:
        value: The metric; with ``within``, the middle of where it can lie.
        within: Most by which it can differ; 0 where it is exact.
    """

    value: float
    within: float = 0.0


class Missing(Exception):
    """The metric has no value for these rows; the message says why."""


class Unknown(Exception):
    """The edges did not send what the metric follows from."""


def middle(least: float, most: float) -> Found:
    """Something that lies from ``least`` to ``most``."""
    return Found((least + most) / 2, (most - least) / 2)
