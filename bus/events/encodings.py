"""What can be made of updates to send less, and which strategies that goes with.

Vendor, policy engine and aggregator have to agree on it; how it is done is the business of ``bus.weights.encoding``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bus.errors import Invalid
from bus.events.strategies import KINDS
from bus.events.weights import BFLOAT16, EXACT, FLOAT16, INT8, NO_COMPRESSION, ZSTD, Encoding
from bus.suggestions import did_you_mean

VALUES: Final = (EXACT, FLOAT16, BFLOAT16, INT8)
COMPRESSIONS: Final = (NO_COMPRESSION, ZSTD)


def check(encoding: Encoding, strategy: str) -> Encoding:
    """``encoding``, if there is such a one and it goes with the strategy of this name.

    Raises:
        Invalid: A word is unknown (the message names the nearest one), a number is out of bounds, or the strategy
            cannot work with what is left of the updates.
    """
    _known("values", encoding.values, VALUES)
    _known("compression", encoding.compression, COMPRESSIONS)
    if not 0 < encoding.keep <= 1:
        raise Invalid(
            f"keep is {encoding.keep:g}; expected a share above 0 and up to 1 of the elements to send",
            code="encoding.keep",
        )
    if encoding.error_feedback and not encoding.lossy:
        raise Invalid(
            "error_feedback: exact values of all elements leave nothing out that could be added later; leave it out, "
            "or choose other values or a smaller keep",
            code="encoding.feedback",
        )
    kind = KINDS.get(strategy)
    if encoding.keep < 1 and kind is not None and kind.elementwise:
        raise Invalid(
            f"keep is {encoding.keep:g}, and {strategy} compares updates element by element: most elements would be "
            "those of the last model in every update, so what it chooses would say nothing about the edges. Leave "
            "keep out ('muster fork --plain' does), or choose a strategy that averages, such as fedavg",
            code="encoding.strategy",
        )
    if encoding.lossy and kind is not None and kind.beside:
        raise Invalid(
            f"values {encoding.values!r} with keep {encoding.keep:g} leave something out, and {strategy} counts on it "
            "that the server adds up exactly what the edges keep. Send exact values of all elements, compressed if you "
            "like, or choose another strategy",
            code="encoding.strategy",
        )
    return encoding


def _known(field: str, word: str, words: Iterable[str]) -> None:
    known = list(words)
    if word not in known:
        advice = did_you_mean(word, known, opening="known are ", any_case=False)
        raise Invalid(f"{field} {word[:40]!r} is no encoding that is known; {advice}", code="encoding.unknown")
