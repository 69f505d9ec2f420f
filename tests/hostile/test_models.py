"""Every bad model is told what is wrong with it, in the right words, and leaves nothing behind."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hostile.models import ARCHIVES, CHECKED, GOOD, HEADERS, Bad, Wrong, zipped
from training.contract.header import check_header, read_header
from training.contract.model import read_model
from training.contract.report import Check, Report, State
from training.errors import TrainingError
from training.plan import Training
from training.registry import default_registry
from training.worker.candidate import Candidate
from training.worker.config import Config
from training.worker.output import Output, in_our_words
from training.worker.validating import Validation

REGISTRY = default_registry()


def read(data: bytes) -> None:
    header = read_model(data, "model.py").header
    check_header(header, frameworks=REGISTRY.frameworks, categories=REGISTRY.categories, name="model.py")


@pytest.mark.parametrize("bad", [*HEADERS, *ARCHIVES], ids=lambda bad: bad.what)
def test_before_anything_runs(bad: Bad) -> None:
    with pytest.raises(TrainingError) as caught:
        read(bad.data)
    assert (caught.value.code, bad.words in caught.value.message) == (bad.code, True), caught.value.message


def test_reading_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    source = f"{GOOD}\nopen({str(marker)!r}, 'w')\n@print\nclass X(print('base')): y: print('note') = print('y')\n"
    assert read_header(source.encode()).entry == "build"
    read(zipped({"net.py": source.encode(), "helper.py": f"open({str(marker)!r}, 'w')\n".encode()}))
    assert not marker.exists()


def test_everything_is_said_once() -> None:
    whats = Counter(each.what for each in (*HEADERS, *ARCHIVES, *CHECKED))
    assert len(whats) >= 120
    assert whats.most_common(1)[0][1] == 1


@pytest.mark.parametrize("wrong", CHECKED, ids=lambda wrong: wrong.what)
def test_by_a_check(wrong: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In this process: these models are honest, and a worker for each would take minutes.
    monkeypatch.setattr(sys, "path", [*sys.path])
    error, report = checked(wrong, tmp_path)
    assert (error.code, wrong.words in error.message) == (wrong.code, True), error.message
    failed = report.failure
    assert failed is not None
    assert (failed.check, failed.code) == (wrong.check, wrong.code)
    assert [step.check for step in report.steps] == list(Check)
    behind = report.steps[report.steps.index(failed) + 1 :]
    assert {step.state for step in behind} <= {State.SKIPPED}
    assert all(step.found == f"{wrong.check} failed" for step in behind)
    left = {path.name for path in (tmp_path / "output").iterdir()}
    assert left <= {"validation.json", "progress.jsonl", "weights.safetensors", "code"}


def checked(wrong: Wrong, folder: Path) -> tuple[TrainingError, Report]:
    """The error, and the report that was written."""
    source = wrong.source if isinstance(wrong.source, bytes) else wrong.source.encode()
    (folder / "model.py").write_bytes(source)
    output = folder / "output"
    output.mkdir()
    if wrong.weights is not None:
        save_file({name: np.asarray(each) for name, each in wrong.weights.items()}, folder / "given.safetensors")
    header = read_model(source).header
    config = Config(
        category=header.category,
        framework=header.framework,
        features=("a", "b", "c", "d"),
        target="y",
        classes=None if wrong.classes is None else tuple(f"c{n}" for n in range(wrong.classes)),
        training=Training.model_validate(wrong.training),
        model=folder / "model.py",
        pretrained=folder / "given.safetensors" if wrong.weights is not None else None,
    )
    told = Output(output)
    with pytest.raises(Exception) as caught, np.errstate(all="ignore"):
        Validation(Candidate(config, REGISTRY, output), told).run()
    return in_our_words(caught.value), Report.model_validate_json((output / "validation.json").read_bytes())
