"""What to do about the failures that an experiment can meet, by code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Remedy:
    """Whose move it is, and which.

    Attributes:
        who: ``vendor``, ``owner`` or ``operator``.
        step: What to do next.
    """

    who: str
    step: str


VENDOR: Final = "vendor"
OWNER: Final = "owner"
OPERATOR: Final = "operator"

REMEDIES: Final[dict[str, Remedy]] = {
    "cycle.late": Remedy(VENDOR, "raise deadline_s in the plan, or ask the owner for more workers"),
    "cycle.no_answer": Remedy(OWNER, "see whether the edge is up: 'muster edges', then its log"),
    "cycle.quorum": Remedy(
        VENDOR, "see in the log which edges failed and why; lower the quorum if they may be missing"
    ),
    "data.class": Remedy(OWNER, "ingest the dataset again, so that all its classes are registered"),
    "data.column": Remedy(VENDOR, "compare the plan's features with 'muster datasets --json'"),
    "data.empty": Remedy(OWNER, "ingest rows whose target is known"),
    "data.kind": Remedy(VENDOR, "leave the column out of data.features"),
    "data.missing": Remedy(OWNER, "ingest the dataset at this edge"),
    "data.store": Remedy(OWNER, "check that the data store runs and that the daemon may read it"),
    "edge.failed": Remedy(OWNER, "see the edge's log; the daemon met something that it did not expect"),
    "framework.missing": Remedy(OWNER, "install the framework at the edge, as the message says"),
    "metrics.examples": Remedy(VENDOR, "do not write metrics.json from the model's code"),
    "metrics.format": Remedy(VENDOR, "let the model's code return instead of ending the process"),
    "model.closed_form": Remedy(VENDOR, "set cycles: 1 and training.epochs: 1"),
    "model.contract": Remedy(VENDOR, "correct the header of the model file"),
    "model.estimator": Remedy(VENDOR, "return one of the estimators that the message names"),
    "model.failed": Remedy(VENDOR, "try the model on rows like those that the datasets' columns describe"),
    "model.import": Remedy(VENDOR, "import only what edges have: numpy, scipy, scikit-learn"),
    "model.make": Remedy(VENDOR, "call the function or class that the header names by yourself, without arguments"),
    "model.solver": Remedy(VENDOR, "choose one of the solvers that the message names"),
    "model.training": Remedy(VENDOR, "correct the estimator's parameters"),
    "model.unchanged": Remedy(
        VENDOR, "raise the learning rate or the epochs; or be content: the last model has converged"
    ),
    "plan.training": Remedy(VENDOR, "leave the field out of the plan"),
    "resource.cpu": Remedy(
        VENDOR, "raise limits.cpu_s, or train fewer epochs per cycle; the owner's limit may be lower"
    ),
    "resource.disk": Remedy(VENDOR, "raise limits.disk_bytes, or write less; the owner's limit may be lower"),
    "resource.killed": Remedy(OWNER, "give the edge more memory, or lower 'workers' in its settings"),
    "resource.memory": Remedy(VENDOR, "raise limits.memory_bytes; the owner's limit may be lower"),
    "resource.system": Remedy(OWNER, "see the worker's limits on processes and files"),
    "resource.wall": Remedy(
        VENDOR, "raise limits.wall_s, or train fewer epochs per cycle; the owner's limit may be lower"
    ),
    "seal.broken": Remedy(OPERATOR, "find out who changed the stored chunks: look at the server"),
    "seal.recipient": Remedy(VENDOR, "submit again: the edge holds the dataset only since after the submission"),
    "update.examples": Remedy(OWNER, "ingest again: the registered number of rows is not what the edge has"),
    "weights.digest": Remedy(OPERATOR, "find out who changed the stored chunks: look at the server"),
    "weights.finite": Remedy(VENDOR, "lower the learning rate"),
    "weights.layout": Remedy(VENDOR, "make the model's shapes depend on nothing but the plan"),
    "weights.missing": Remedy(VENDOR, "do not touch the files in the working directory from the model's code"),
    "weights.shape": Remedy(VENDOR, "make the model's shapes depend on nothing but the plan"),
    "worker.crashed": Remedy(VENDOR, "run the model file on made-up rows here: 'muster run' does so before it submits"),
}
BY_CATEGORY: Final[dict[str, Remedy]] = {
    "data": Remedy(OWNER, "compare the dataset with what the plan asks for"),
    "resource": Remedy(VENDOR, "raise the limits in the plan, or ask for less per cycle"),
    "egress": Remedy(VENDOR, "let only the framework write the results"),
    "model": Remedy(VENDOR, "correct the model file or the plan"),
    "infra": Remedy(OWNER, "see the edge's log"),
}


def remedy(category: str, code: str) -> Remedy:
    """What to do about a failure."""
    return REMEDIES.get(code) or BY_CATEGORY.get(category) or BY_CATEGORY["infra"]
