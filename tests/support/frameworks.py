"""The frameworks of this release, under the published behaviour suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from training.registry import default_registry
from training.testing import Case, Check

FRAMEWORKS = default_registry().frameworks


def identified(pairs: Iterable[tuple[Case, Check]], cases: Mapping[str, Case]) -> list[Any]:
    """Pairs of case and check for ``pytest.mark.parametrize``, by their names."""
    names = {id(case): name for name, case in cases.items()}
    return [pytest.param(case, check, id=f"{check.__name__}-{names[id(case)]}") for case, check in pairs]
