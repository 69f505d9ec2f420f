"""Plan files with one section that a test is about."""

from __future__ import annotations

from pathlib import Path

from support.jobs import LOGISTIC

_HEAD = "name: x\nmodel: model.py\ndata: {dataset: d}\ncycles: 1\n"


def plan_file(folder: Path, *lines: str, model: str = LOGISTIC) -> Path:
    """A plan of one cycle with ``lines`` behind what every plan says, beside its model file."""
    (folder / "model.py").write_text(model)
    path = folder / "plan.yaml"
    path.write_text(_HEAD + "".join(f"{line}\n" for line in lines))
    return path
