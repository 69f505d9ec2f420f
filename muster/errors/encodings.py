"""Errors M43..: encodings of updates."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "Encodings of updates",
    (
        Entry(
            4301,
            "encoding.unknown",
            ("invalid", "infra", "egress"),
            Who.VENDOR,
            "An encoding is asked for that this release does not know.",
            "A spelling mistake, or the edge, the aggregator or the vendor has an older release than the others.",
            "correct transport.encoding in the plan, or bring all processes to one release",
        ),
        Entry(
            4302,
            "encoding.keep",
            ("invalid",),
            Who.VENDOR,
            "The share of elements to send is not above 0 and at most 1.",
            "A percentage was given in the place of a share.",
            "give keep as a share, such as 0.01 for one per cent",
        ),
        Entry(
            4303,
            "encoding.feedback",
            ("invalid",),
            Who.VENDOR,
            "Error feedback was asked for, and nothing is left out that could be fed back.",
            "error_feedback in the plan without int8, float16 or bfloat16 values and without a keep below 1.",
            "leave error_feedback out of the plan",
        ),
        Entry(
            4304,
            "encoding.strategy",
            ("invalid", "egress"),
            Who.VENDOR,
            "The encoding does not go with the strategy.",
            "Medians, trimmed means and Krum compare updates element by element, and with a keep below 1 most elements "
            "of every update are those of the last model.",
            "leave keep out of the plan, or choose a strategy that averages",
        ),
        Entry(
            4305,
            "encoding.range",
            ("invalid", "model"),
            Who.VENDOR,
            "An element changed by more than the encoding can hold.",
            "float16 ends at 65504. Such changes are rare; mostly the training diverges.",
            "lower the learning rate, or take bfloat16 or exact values",
        ),
        Entry(
            4306,
            "encoding.frame",
            ("integrity", "egress"),
            Who.OPERATOR,
            "An encoded update cannot be decoded; it is left out.",
            "The edge runs another release, or was changed: what was sealed is not what an edge writes.",
            "bring the edge up to date, and find out who changed it",
            ("muster edges",),
        ),
        Entry(
            4307,
            "encoding.model",
            ("integrity", "egress"),
            Who.OPERATOR,
            "An encoded update is the difference to another model than its cycle's; it is left out.",
            "The edge runs another release, or was changed.",
            "bring the edge up to date, and find out who changed it",
            ("muster edges",),
        ),
    ),
)
