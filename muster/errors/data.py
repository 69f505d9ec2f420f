"""Errors M12..: data at an edge."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "Data at an edge",
    (
        Entry(
            1201,
            "data.missing",
            ("data",),
            Who.OWNER,
            "The edge holds no dataset of this name.",
            (
                "It was deleted or renamed after the experiment was submitted, or the daemon reads another store than "
                "the ingest wrote to."
            ),
            "ingest the dataset at this edge",
            ("muster ingest --edge EDGE --dataset NAME --target COLUMN --category CATEGORY --train FILE",),
        ),
        Entry(
            1202,
            "data.column",
            ("data",),
            Who.VENDOR,
            "The dataset at this edge has no column that the plan asks for.",
            "The owner ingested another schema after the experiment was submitted.",
            "compare the plan's features with 'muster datasets --json'",
            ("muster datasets --json",),
        ),
        Entry(
            1203,
            "data.empty",
            ("data",),
            Who.OWNER,
            "There is no row to train on.",
            "The train part is empty, all rows lack the target, or the validation split takes every row.",
            "ingest rows whose target is known",
        ),
        Entry(
            1204,
            "data.kind",
            ("data",),
            Who.VENDOR,
            "A feature does not hold numbers, or a target does not hold class labels.",
            "A text column among the features, or a classification on a column of numbers.",
            "leave the column out of data.features, or say preprocessing.encode",
        ),
        Entry(
            1205,
            "data.class",
            ("data",),
            Who.OWNER,
            "A row has a class that the dataset's registration does not name.",
            "The store was changed after it was registered.",
            "ingest the dataset again, so that all its classes are registered",
        ),
        Entry(
            1206,
            "data.format",
            ("data",),
            Who.OWNER,
            "The files that the daemon wrote for the worker are not what they should be.",
            "A disk that is full or faulty, or another process that changed the job's directory while it ran.",
            "see that the disk of the edge is sound and not full; then submit again",
        ),
        Entry(
            1207,
            "data.store",
            ("infra",),
            Who.OWNER,
            "The data store cannot be read.",
            (
                "The database is down or locked, its address in the settings is wrong, or the daemon lacks the right "
                "to read."
            ),
            "check that the data store runs and that the daemon may read it",
        ),
        Entry(
            1208,
            "data.range",
            ("data",),
            Who.VENDOR,
            "A column holds numbers so large that their squares cannot be added up.",
            "Numbers beyond 1e150: a placeholder for a missing value, or a unit that is far too small.",
            "leave the column out, or ask the owner to ingest it in another unit, with placeholders as missing cells",
        ),
        Entry(
            1209,
            "data.rows",
            ("data",),
            Who.VENDOR,
            "The experiment takes more training rows of a class than this edge holds.",
            "The owner ingested fewer rows after the experiment was submitted.",
            "submit the plan again: it is held to what is registered now",
            ("muster datasets",),
        ),
    ),
)
