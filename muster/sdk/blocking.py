"""The face for scripts and notebooks: the one of ``muster.aio``, which does everything, on a loop of its own."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from muster.portal import Held, Portal
from muster.sdk import experiment, federation, showing
from muster.sdk.figures import Figures
from muster.sdk.model import Model
from muster.sdk.plan import Plan
from muster.sdk.records import Status

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Face(Generic[A]):
    """Something of ``muster.aio`` and the portal to where it lives."""

    def __init__(self, portal: Portal, inner: A) -> None:
        self._portal = portal
        self._inner = inner

    def __repr__(self) -> str:
        return repr(self._inner)


def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Face[A], P], R]:
    """The same method of a face: the caller waits for what it returns."""

    @functools.wraps(method)
    def call(face: Face[A], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return face._portal.call(method(face._inner, *args, **kwargs))  # noqa: SLF001 - of this module

    return call


def documented_as(other: Callable[..., Any]) -> Callable[[F], F]:
    """The method is documented by ``other``, and has a type of its own."""

    def documented(method: F) -> F:
        method.__doc__ = other.__doc__
        return method

    return documented


class Experiment(Face[experiment.Experiment]):
    """One experiment; ``Federation.start`` and ``Federation.experiment`` give it."""

    def __init__(self, through: Federation, inner: experiment.Experiment) -> None:
        super().__init__(through._portal, inner)  # noqa: SLF001 - of this module
        # The connection lasts as long as somebody may ask something of it.
        self._through = through

    events = blocking(experiment.Experiment.events)
    wait = blocking(experiment.Experiment.wait)
    history = blocking(experiment.Experiment.history)
    download = blocking(experiment.Experiment.download)
    pause = blocking(experiment.Experiment.pause)
    resume = blocking(experiment.Experiment.resume)
    stop = blocking(experiment.Experiment.stop)
    abort = blocking(experiment.Experiment.abort)

    @property
    def id(self) -> str:
        """Its id, with which others attach to it."""
        return self._inner.id

    @property
    def status(self) -> Status:
        """How it stands now. Raises as ``muster.aio.Experiment.status``."""
        return self._portal.call(self._inner.status())

    @property
    def figures(self) -> Figures:
        """What can be drawn of what is recorded so far. Raises as ``muster.aio.Experiment.figures``."""
        return self._portal.call(self._inner.figures())

    @documented_as(experiment.Experiment.follow)
    def follow(self, *, progress: bool = True) -> Status:  # noqa: D102 - that of what it wraps
        with showing.events(progress=progress) as tell:
            return self._portal.call(self._inner.followed(self._portal.here(tell)))


class Federation(Face[federation.Federation]):
    """A connection to a federation, from ``connect`` until ``close`` or the end of a ``with`` block.

    Works inside a running event loop too, as in a notebook; ``muster.aio.Federation`` is for those who await.
    """

    def __init__(self, context: Callable[[], AbstractAsyncContextManager[federation.Federation]]) -> None:
        portal = Portal()
        try:
            held = Held(portal, context())
        except BaseException:
            portal.close()
            raise
        super().__init__(portal, held.value)
        # Also when the last reference is gone, or the interpreter ends.
        self._close = weakref.finalize(self, _close, portal, held)

    @classmethod
    def connect(
        cls, directory: Path | str | None = None, *, profile: str | None = None, principal: str | None = None
    ) -> Self:
        """Connect. Without arguments: to the federation that ``muster.sdk.profiles`` says is meant.

        Args:
            directory: Of the federation.
            profile: One of the file of profiles.
            principal: As whom; the federation's only vendor if left out.

        Raises:
            NotFound: No federation is meant, or there is no such profile.
            Configuration: The profile or the keys cannot be used.
            Invalid: There is no such principal, or several vendors to choose from.
            Unavailable: The federation does not run, or cannot be reached.
        """
        return cls(lambda: federation.Federation.connect(directory, profile=profile, principal=principal))

    datasets = blocking(federation.Federation.datasets)
    edges = blocking(federation.Federation.edges)
    experiments = blocking(federation.Federation.experiments)
    link = blocking(federation.Federation.link)

    @property
    def principal(self) -> str:
        """As whom it is connected."""
        return self._inner.principal

    @documented_as(federation.Federation.experiment)
    def experiment(self, identity: str) -> Experiment:  # noqa: D102 - as above
        return Experiment(self, self._portal.call(self._inner.experiment(identity)))

    @documented_as(federation.Federation.upload)
    def upload(self, model: Path | str, weights: Path | str | None = None, *, progress: bool = True) -> Model:  # noqa: D102 - as above
        tell = self._portal.here(showing.checks(progress=progress))
        return self._portal.call(self._inner.checked_model(model, weights, tell))

    @documented_as(federation.Federation.start)
    def start(self, plan: Plan | Path | str, *, check: bool | None = None, progress: bool = True) -> Experiment:  # noqa: D102 - as above
        tell = self._portal.here(showing.checks(progress=progress))
        return Experiment(self, self._portal.call(self._inner.started(plan, check, tell)))

    def close(self) -> None:
        """Disconnect. Experiments go on without it. Closing again is harmless."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _close(portal: Portal, held: Held[Any]) -> None:
    try:
        held.leave()
    finally:
        portal.close()
