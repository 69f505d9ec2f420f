"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table under its title."""
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join(' --: ' for _ in columns)}|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return f"{title}\n\n" + "\n".join(lines)
