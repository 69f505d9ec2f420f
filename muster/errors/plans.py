"""Errors M10..: plans, before anything is sent."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "Plans, before anything is sent",
    (
        Entry(
            1001,
            "plan.missing",
            ("model",),
            Who.CALLER,
            "The plan file is not there, or cannot be read.",
            "A wrong path, or a file that this user may not read.",
            "name a plan that exists; 'muster demo --files-only --dir files' writes one to begin with",
            ("muster run files/plan.yaml",),
        ),
        Entry(
            1002,
            "plan.yaml",
            ("model",),
            Who.VENDOR,
            "The plan is not YAML, not UTF-8, or has no fields.",
            "A tab for indentation, a colon without a blank behind it, or another file given by mistake.",
            "correct the line that the message names; docs/reference/plan.md has all fields",
        ),
        Entry(
            1003,
            "plan.field",
            ("model",),
            Who.VENDOR,
            "A field of the plan is unknown, missing or has an impossible value.",
            "A spelling mistake, or a field of another release. The message names the nearest field.",
            "correct the fields that the message names; docs/reference/plan.md has all of them",
        ),
        Entry(
            1004,
            "plan.strategy",
            ("invalid",),
            Who.VENDOR,
            "The plan asks for a strategy that this release does not have.",
            "A spelling mistake, or a strategy of a later release.",
            "choose one of those that the message names",
        ),
        Entry(
            1005,
            "plan.quorum",
            ("invalid",),
            Who.VENDOR,
            "The plan asks for more edges than hold the dataset.",
            "Fewer owners registered the dataset than expected, or its name differs at some of them.",
            "lower the quorum, or ask the missing owners to ingest",
            ("muster datasets",),
        ),
        Entry(
            1006,
            "plan.training",
            ("model",),
            Who.VENDOR,
            "The plan sets a field of the training section that this model does not know.",
            "Each estimator takes its own choice of epochs, batch_size and learning_rate.",
            "leave the field out of the plan",
        ),
        Entry(
            1007,
            "dataset.missing",
            ("not_found",),
            Who.VENDOR,
            "No edge registered a dataset of this name.",
            "A spelling mistake, or nobody has ingested it yet.",
            "compare the name with the datasets that are registered, or ask the owners to ingest",
            ("muster datasets",),
        ),
        Entry(
            1008,
            "dataset.mismatch",
            ("invalid",),
            Who.VENDOR,
            "The registered columns, target or category are not what the plan and the model file need.",
            "A feature that some edge does not have or holds as text, another target, or a model for another category.",
            "correct what the message names for each edge",
            ("muster datasets --json",),
        ),
        Entry(
            1009,
            "dataset.classes",
            ("invalid",),
            Who.VENDOR,
            "The target has fewer than two classes over all edges, so there is nothing to learn.",
            "The wrong column as target, or data that was filtered to one class.",
            "choose another target, or ask the owners for data with at least two classes",
            ("muster datasets",),
        ),
    ),
)
