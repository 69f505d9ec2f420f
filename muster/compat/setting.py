"""How a setter of the older plan works: what it means is tried at once, and a refusal keeps the plan from starting."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from bus.errors import MusterError
from muster.compat import saying

SETTER: Final = "is_setter"
"""An attribute that setters have."""
P = ParamSpec("P")
Fields = Mapping[str, Any]
"""Fields of a plan that are to change."""


class Changing(Protocol):
    """What has setters."""

    refused: dict[str, str]
    """Setter -> why its last value was refused."""

    @property
    def framework(self) -> str:
        """Of the model."""
        ...

    def change(self, fields: Fields) -> None:
        """Take over what a setter says."""
        ...


S = TypeVar("S", bound=Changing)


def setting(
    without: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Callable[Concatenate[S, P], Fields]], Callable[Concatenate[S, P], None]]:
    """A setter: the method says which fields of the plan change.

    Args:
        without: Framework -> why it has no use for it: then a warning is all that comes of it.
    """

    def made(method: Callable[Concatenate[S, P], Fields]) -> Callable[Concatenate[S, P], None]:
        name = method.__name__

        @functools.wraps(method)
        def call(plan: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
            if plan.framework in without:
                saying.warning(f"{name} has no effect with {plan.framework}: {without[plan.framework]}")
                return
            try:
                plan.change(method(plan, *args, **kwargs))
            except MusterError as error:
                plan.refused[name] = error.message
                saying.refusal(f"{name}: {error.message}")
            else:
                plan.refused.pop(name, None)

        setattr(call, SETTER, True)
        return call

    return made
