"""The faces: SDK, command line, experiments as code. They stand on ``bus`` and ``training`` like every service.

``import muster`` is the Python SDK, see ``muster.sdk``. Names are looked up when they are first used, so that the
import alone costs nothing, and the command line none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bus.errors import (
        Configuration,
        Conflict,
        Denied,
        Integrity,
        Invalid,
        MusterError,
        NotFound,
        Timeout,
        Unavailable,
        WorkerFailed,
    )
    from muster import aio, testing
    from muster.artefacts import Artefact, load
    from muster.sdk.blocking import Experiment, Federation
    from muster.sdk.errors import ExperimentFailed, LinkRefused, ModelRefused, PlanRefused
    from muster.sdk.link import Link
    from muster.sdk.model import Model
    from muster.sdk.plan import Plan
    from muster.sdk.records import Status
    from training.schedules import tabulated

_PLACES: Final = {
    **dict.fromkeys(
        (
            *("Configuration", "Conflict", "Denied", "Integrity", "Invalid", "MusterError", "NotFound", "Timeout"),
            *("Unavailable", "WorkerFailed"),
        ),
        "bus.errors",
    ),
    **dict.fromkeys(("Experiment", "Federation"), "muster.sdk.blocking"),
    **dict.fromkeys(("ExperimentFailed", "LinkRefused", "ModelRefused", "PlanRefused"), "muster.sdk.errors"),
    **dict.fromkeys(("Artefact", "load"), "muster.artefacts"),
    "Link": "muster.sdk.link",
    "Model": "muster.sdk.model",
    "Plan": "muster.sdk.plan",
    "Status": "muster.sdk.records",
    "tabulated": "training.schedules",
}
"""Name -> the module that has it."""
_MODULES: Final = frozenset({"aio", "testing"})

__all__ = [
    "Artefact",
    "Configuration",
    "Conflict",
    "Denied",
    "Experiment",
    "ExperimentFailed",
    "Federation",
    "Integrity",
    "Invalid",
    "Link",
    "LinkRefused",
    "Model",
    "ModelRefused",
    "MusterError",
    "NotFound",
    "Plan",
    "PlanRefused",
    "Status",
    "Timeout",
    "Unavailable",
    "WorkerFailed",
    "aio",
    "load",
    "tabulated",
    "testing",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has that name; see PEP 562
    if name in _MODULES:
        return import_module(f"muster.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module 'muster' has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
