"""Helpful words for an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 30


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` for the nearest of ``known``, else the list of them; case is ignored."""
    names = [str(name) for name in known]
    folded = {name.casefold(): name for name in reversed(names)}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"known: {', '.join(names[:_LISTED])}{more}"
