"""Did you mean ...? For names that people type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

_LISTED: Final = 30


def nearest(word: str, known: Iterable[str], *, any_case: bool = True) -> str | None:
    """The one of ``known`` that is most like ``word``; ``None`` if none is like it.

    Args:
        word: What somebody typed.
        known: What there is; of several that differ in case alone, the first.
        any_case: Whether capitals and small letters are alike.
    """
    by_form: dict[str, str] = {}
    for name in known:
        by_form.setdefault(str(name).casefold() if any_case else str(name), str(name))
    close = difflib.get_close_matches(word.casefold() if any_case else word, by_form, n=1)
    return by_form[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str], *, opening: str = "known: ", any_case: bool = True) -> str:
    """``did you mean 'x'?`` for the nearest of ``known``, else ``opening`` and a list of them, in their order."""
    names = [str(name) for name in known]
    near = nearest(word, names, any_case=any_case)
    if near is not None:
        return f"did you mean {near!r}?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{opening}{', '.join(names[:_LISTED])}{more}"
