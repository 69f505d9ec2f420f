"""The notebooks of the examples run from their first cell to their last, and what they promise is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"
NAMES = ("quickstart", "pytorch", "strategies")
PATIENCE_S = 400


def test_all_of_them_are_run_here() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_they_are_kept_without_output(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None), cell.source


@pytest.mark.timeout(500)
@pytest.mark.parametrize("name", NAMES)
async def test_a_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a kernel of another user wrote or set does not matter here.
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    here = {"metadata": {"path": str(tmp_path)}}
    await NotebookClient(notebook, timeout=PATIENCE_S, kernel_name="python3", resources=here).async_execute()
    shown = "\n".join(_shown(notebook))
    if name == "strategies":
        for strategy in ("fedavg", "fedavgm", "fedmedian", "krum"):
            assert strategy in shown
        assert "balanced_accuracy" in shown
    else:
        assert "completed" in shown
        accuracy = float(shown.partition("holds: ")[2].split()[0].rstrip(")'"))
        assert accuracy > 0.9
    assert "image/png" in shown, "no figure"


def _shown(notebook: Any) -> list[str]:
    """All that its cells put out; of a picture, that it is one."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.output_type != "error", output
            data = output.get("data", {})
            found += [output.get("text", ""), data.get("text/plain", ""), *(kind for kind in data if "png" in kind)]
    return found
