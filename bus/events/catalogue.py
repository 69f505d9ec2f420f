"""All message types by name, with the upcasters that bring old versions up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from bus.errors import Invalid, VersionUnknown
from bus.events import callbacks, custody, cycles, datasets, experiments, governance, principals
from bus.events.base import Body

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the body of version v into that of version v + 1."""


class Catalogue:
    """Message types by name.

    Args:
        types: Every message class, once.
        upcasters: (type, version) -> the step to the next version.
    """

    def __init__(
        self, types: Sequence[type[Body]], upcasters: Mapping[tuple[str, int], Upcaster] | None = None
    ) -> None:
        self._types = {cls.TYPE: cls for cls in types}
        if len(self._types) != len(types):
            raise Invalid("two message classes share one type", code="catalogue.duplicate")
        self._upcasters = dict(upcasters or {})

    def __iter__(self) -> Iterator[type[Body]]:
        return iter(self._types.values())

    def find(self, name: str) -> type[Body]:
        """The class of a type.

        Raises:
            Invalid: No release knows this type, or a newer one does.
        """
        try:
            return self._types[name]
        except KeyError:
            known = ", ".join(sorted(self._types))
            raise Invalid(f"unknown message type {name!r}; known: {known}", code="message.type") from None

    def upcast(self, name: str, version: int, body: dict[str, Any]) -> dict[str, Any]:
        """``body`` of ``version`` as a body of the type's current version.

        Raises:
            VersionUnknown: The version is newer than this release, or there is no way up from it.
        """
        current = self.find(name).VERSION
        if not 1 <= version <= current:
            raise VersionUnknown(
                f"{name} has version {version}; this release reads 1 to {current}: upgrade it",
                code="message.version",
            )
        for step in range(version, current):
            body = self._upcasters[(name, step)](body)
        return body


CATALOGUE: Final = Catalogue(
    [
        principals.PrincipalRegistered,
        principals.EdgeEnrolled,
        principals.EdgeAppeared,
        principals.EdgeLapsed,
        principals.LeaseRenewed,
        datasets.DatasetRegistered,
        experiments.ExperimentSubmitted,
        experiments.ExperimentAdmitted,
        experiments.ExperimentRefused,
        experiments.QueueReported,
        experiments.ExperimentStarted,
        experiments.PauseRequested,
        experiments.ResumeRequested,
        experiments.StopRequested,
        experiments.AbortRequested,
        experiments.ExperimentPaused,
        experiments.ExperimentResumed,
        experiments.ExperimentRequeued,
        experiments.ExperimentStopped,
        experiments.ExperimentAborted,
        experiments.ExperimentFailed,
        experiments.ExperimentCompleted,
        cycles.CycleOpened,
        cycles.RunCycle,
        cycles.CancelExperiment,
        cycles.UpdateSealed,
        cycles.UpdateFailed,
        cycles.UpdateRejected,
        cycles.CycleExpired,
        cycles.CycleClosed,
        cycles.CycleAbandoned,
        cycles.ModelAveraged,
        cycles.ModelEvaluated,
        cycles.ModelFailed,
        cycles.Progress,
        callbacks.StoppedEarly,
        callbacks.RateReduced,
        callbacks.ModelChosen,
        governance.VendorAllowed,
        governance.VendorDisallowed,
        governance.FederationPaused,
        governance.FederationResumed,
        governance.ExperimentHeld,
        governance.ExperimentReleased,
        governance.Checkpointed,
        custody.KeepingRuled,
        custody.PurgeRequested,
        custody.WeightsReleased,
        custody.WeightsPurged,
    ]
)
