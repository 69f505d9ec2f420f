"""``import muster`` costs next to nothing, and names are there all the same."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import muster

HEAVY = {"torch", "tensorflow", "sklearn", "scipy", "pandas", "matplotlib", "IPython", "nats"}


def imported(*statements: str) -> set[str]:
    """The modules that a fresh interpreter has after ``statements``."""
    script = "; ".join((*statements, "import sys", "print(*sys.modules)"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_import_alone_brings_nothing_with_it() -> None:
    bare, ours = imported("import __future__, importlib, typing"), imported("import muster")
    assert {name.partition(".")[0] for name in ours - bare} == {"muster"}


def test_using_it_brings_no_framework_with_it() -> None:
    found = imported("import muster", "[getattr(muster, name) for name in muster.__all__]")
    assert "muster.sdk.blocking" in found
    assert not HEAVY & found


def test_what_editors_see_is_what_there_is() -> None:
    tree = ast.parse(Path(inspect.getfile(muster)).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {name.name for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert seen == set(muster.__all__) <= set(dir(muster))
    assert all(getattr(muster, name) is not None for name in muster.__all__)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Federaton'"):
        _ = muster.Federaton  # type: ignore[attr-defined]
