"""Errors M41..: averaging."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "Averaging",
    (
        Entry(
            4101,
            "accumulator.empty",
            ("invalid",),
            Who.AUTHORS,
            "A mean was asked for before anything was added.",
            "A fault in the aggregator.",
            "report it",
        ),
        Entry(
            4102,
            "accumulator.form",
            ("invalid",),
            Who.AUTHORS,
            "A partial sum is not in the form that Muster writes.",
            "The file was changed or damaged.",
            "report it: the aggregator starts again from the updates by itself",
        ),
        Entry(
            4103,
            "accumulator.header",
            ("invalid",),
            Who.AUTHORS,
            "The head of a partial sum is damaged, or of another release.",
            "The file was changed, cut, or left over.",
            "report it: the aggregator starts again from the updates by itself",
        ),
        Entry(
            4104,
            "accumulator.length",
            ("invalid",),
            Who.AUTHORS,
            "A partial sum has the wrong length.",
            "The file was cut.",
            "report it: the aggregator starts again from the updates by itself",
        ),
        Entry(
            4105,
            "accumulator.range",
            ("invalid",),
            Who.AUTHORS,
            "A partial sum is out of its range.",
            "The file was changed or damaged.",
            "report it: the aggregator starts again from the updates by itself",
        ),
        Entry(
            4106,
            "accumulator.mismatch",
            ("invalid",),
            Who.AUTHORS,
            "Two partial sums that do not belong together should be merged.",
            "A fault in the aggregator.",
            "report it",
        ),
        Entry(
            4107,
            "accumulator.size",
            ("invalid",),
            Who.AUTHORS,
            "A block size is out of its range.",
            "A fault in the aggregator.",
            "report it",
        ),
        Entry(
            4108,
            "accumulator.bound",
            ("invalid",),
            Who.AUTHORS,
            "The largest sum of weights is out of its range.",
            "A fault in the aggregator, or more examples than can be counted.",
            "report it",
        ),
        Entry(
            4109,
            "strategy.state",
            ("invalid", "integrity", "model"),
            Who.AUTHORS,
            "What the strategy kept after the last cycle is not that of this strategy and model, or is missing.",
            "A fault in the coordinator or the aggregator.",
            "report it; a fork without the strategy's state goes on from the last model",
            ("muster replay ID",),
        ),
        Entry(
            4110,
            "members.size",
            ("invalid", "model"),
            Who.VENDOR,
            "With all members, such as the trees of a forest, the model would be larger than the plan allows.",
            "Every edge adds members in every cycle, so the model grows.",
            "add fewer members per cycle, run fewer cycles, or raise limits.disk_bytes in the plan",
        ),
        Entry(
            4111,
            "members.lost",
            ("integrity", "model"),
            Who.AUTHORS,
            "Other members came out of a union than went in.",
            "A fault in the aggregator.",
            "report it; no model was said to be made",
        ),
    ),
)
