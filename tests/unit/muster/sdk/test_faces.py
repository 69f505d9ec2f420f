"""Both faces offer the same, under the same names and with the same words."""

from __future__ import annotations

import inspect

import pytest

import muster

HOOKS = {"checked_model", "started", "followed"}
"""What the blocking face calls to show progress where its caller waits."""
OWN = {"close"}


def offered(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("name", ["Federation", "Experiment"])
def test_both_faces_offer_the_same(name: str) -> None:
    awaited, blocking = getattr(muster.aio, name), getattr(muster, name)
    assert offered(awaited) - HOOKS == offered(blocking) - OWN
    for each in sorted(offered(awaited) - HOOKS - {"connect"}):
        ours, theirs = getattr(blocking, each), getattr(awaited, each)
        assert not inspect.iscoroutinefunction(ours)
        if not isinstance(ours, property):
            assert ours.__doc__ == theirs.__doc__
            assert inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
