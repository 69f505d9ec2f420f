"""One parameter of a model or a plan, held to the data: what was expected, what was found, what to change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

MISMATCH: Final = "dataset.mismatch"
_LISTED: Final = 6


class Requirement(BaseModel):
    """One parameter. Where it does not hold, every problem is a sentence that names the edge, if it is about one."""

    model_config = ConfigDict(frozen=True)

    parameter: str
    expected: str
    found: str
    ok: bool | None = True
    """``None`` if it cannot be told: nobody was asked, or another parameter has to hold first."""
    problems: tuple[str, ...] = ()
    fix: str = ""
    """What to change; empty unless there are problems."""
    code: str = MISMATCH
    """Of the error that a problem of it is."""

    @classmethod
    def held(
        cls, parameter: str, expected: str, found: str, problems: Iterable[str], fix: str, code: str = MISMATCH
    ) -> Self:
        """One that holds if there are no problems."""
        told = tuple(problems)
        fixed = fix if told else ""
        return cls(
            parameter=parameter, expected=expected, found=found, ok=not told, problems=told, fix=fixed, code=code
        )


def said(fields: Mapping[str, object]) -> str:
    """A section of a plan in few words."""
    parts = (f"{name} {said(value) if isinstance(value, dict) else value}" for name, value in fields.items())
    return ", ".join(parts)


def listed(names: Iterable[str]) -> str:
    """Names for a table; the first few of many."""
    words = sorted(map(str, names)) if isinstance(names, set) else list(map(str, names))
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return (", ".join(words[:_LISTED]) or "none") + more
