"""What the older calls print: notes, warnings and refusals, on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def note(text: str) -> None:
    """Something that went well, or that the caller ought to know."""
    _print(Text(text))


def warning(text: str) -> None:
    """Something that was asked for and has no effect."""
    _print(Text.assemble(("warning: ", "yellow"), text))


def refusal(text: str) -> None:
    """Something that was refused."""
    _print(Text.assemble(("refused: ", "bold red"), text))


def _print(text: Text) -> None:
    # Made anew each time: a notebook and a test change where standard output leads.
    Console(highlight=False).print(text, soft_wrap=True)
