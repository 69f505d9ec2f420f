"""Libraries that only notebooks need, imported when something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bus.errors import Configuration


def library(name: str, purpose: str) -> Any:  # noqa: ANN401 - a module
    """A module of such a library.

    Raises:
        Configuration: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise Configuration(
            f"{purpose} needs {name.partition('.')[0]}, which is not installed: pip install 'muster-fl[notebook]'",
            code="sdk.library",
        ) from error
