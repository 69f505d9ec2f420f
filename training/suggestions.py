"""Did you mean ...? For names that people type.

Who stands on ``bus`` takes ``bus.suggestions``; this package imports nothing of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def known_or_nearest(wrong: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` if something known is near, else the list of what is known."""
    names = sorted(known)
    nearest = difflib.get_close_matches(wrong, names, n=1)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    return f"expected one of {', '.join(names)}" if names else "nothing is known here"
