"""Errors M14..: what a worker wrote, checked before it leaves."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "What a worker wrote, checked before it leaves",
    (
        Entry(
            1401,
            "metrics.format",
            ("egress",),
            Who.VENDOR,
            "The worker wrote no usable metrics, though it ended as if all were well.",
            "The model's code ended the process, or wrote to the output directory itself.",
            "let the model's code return instead of ending the process",
        ),
        Entry(
            1402,
            "metrics.examples",
            ("egress",),
            Who.VENDOR,
            "The worker says that it used more rows than it was given.",
            "The model's code wrote metrics.json.",
            "do not write metrics.json from the model's code",
        ),
        Entry(
            1403,
            "weights.missing",
            ("egress",),
            Who.VENDOR,
            "The worker wrote no weights.",
            "The model's code removed or replaced files in its working directory.",
            "do not touch the files in the working directory from the model's code",
        ),
        Entry(
            1404,
            "weights.empty",
            ("egress",),
            Who.VENDOR,
            "The file of weights holds no tensor.",
            "The model's code wrote the file itself, or the estimator has no parameters.",
            "let only the framework write the weights",
        ),
        Entry(
            1405,
            "weights.size",
            ("egress",),
            Who.VENDOR,
            "The weights are larger than what may leave the edge.",
            "A model that is larger than limits.disk_bytes has room for.",
            "raise limits.disk_bytes, or make a smaller model; the owner's limit may be lower",
        ),
        Entry(
            1406,
            "weights.shape",
            ("egress",),
            Who.VENDOR,
            "The weights differ from the global model in the names, types or shapes of their tensors.",
            "The model's shapes depend on the rows, e.g. on how many classes an edge has.",
            "make the model's shapes depend on nothing but the plan",
        ),
        Entry(
            1407,
            "weights.finite",
            ("egress",),
            Who.VENDOR,
            "The weights hold NaN or infinity.",
            "The training diverged: the learning rate is too high, or a feature has extreme values.",
            "lower the learning rate",
        ),
        Entry(
            1408,
            "weights.format",
            ("egress", "invalid"),
            Who.VENDOR,
            "A file of weights is not safetensors in the form that Muster reads.",
            "The model's code wrote the file itself, or it was cut. Pickles are never accepted.",
            "let only the framework write the weights",
        ),
        Entry(
            1409,
            "update.examples",
            ("egress", "integrity"),
            Who.OWNER,
            "An edge declares more examples than its registered dataset has rows.",
            (
                "Rows were added to the store without being registered; or a closed cycle counts other examples than "
                "the update says."
            ),
            "ingest again: the registered number of rows is not what the edge has",
            ("muster datasets",),
        ),
        Entry(
            1410,
            "weights.members",
            ("egress", "invalid", "integrity"),
            Who.VENDOR,
            "The members of an update, such as the trees of a forest, do not add up.",
            (
                "Tensors of one group have different numbers of rows, a tensor with members has no axis, or the edge "
                "said another number than it sent."
            ),
            (
                "give all tensors of a group one row per member; an edge that says another number than it sends is not "
                "to be trusted"
            ),
        ),
        Entry(
            1411,
            "metrics.tally",
            ("egress",),
            Who.VENDOR,
            "The counts and sums that the worker wrote beside its metrics do not add up.",
            "The model's code wrote metrics.json.",
            "do not write metrics.json from the model's code",
        ),
        Entry(
            1412,
            "predictions.format",
            ("egress",),
            Who.VENDOR,
            "What a worker wrote as predictions are none of the rows that it was given.",
            "The model's code ended the process, or wrote the file in the worker's place.",
            "check the model file",
            ("muster model check FILE",),
        ),
    ),
)
