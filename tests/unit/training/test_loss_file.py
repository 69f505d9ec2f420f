"""A loss file travels among the model's files, and nothing of it runs until a worker loads it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from training.contract.archive import added, read_archive
from training.contract.loss_file import check_loss, packed
from training.contract.model import read_model
from training.errors import TrainingError
from training.losses import LossFile

MODEL = b'framework = "torch"\ncategory = "tabular_classification"\nmain_class = "Net"\nclass Net: ...\n'
LOSS = b"def loss(outputs, targets): ...\n"
SAID = LossFile(file="loss.py")


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_single_file_becomes_a_zip_with_both(tmp_path: Path) -> None:
    (tmp_path / "loss.py").write_bytes(LOSS)
    whole = packed(MODEL, SAID, tmp_path)
    assert read_archive(whole, "x") == {"model.py": MODEL, "loss.py": LOSS}
    assert read_model(whole).main == "model.py"
    assert whole == packed(MODEL, SAID, tmp_path), "the same files, the same bytes: they are digested"


def test_a_zip_gets_one_file_more(tmp_path: Path) -> None:
    (tmp_path / "of").mkdir()
    (tmp_path / "of" / "loss.py").write_bytes(LOSS)
    bare = zipped({"net.py": MODEL, "helper.py": b"x = 1\n"})
    whole = packed(bare, LossFile(file="of/loss.py"), tmp_path)
    assert read_archive(whole, "x") == {"net.py": MODEL, "helper.py": b"x = 1\n", "loss.py": LOSS}


def test_one_that_is_in_the_zip_stays_where_it_is(tmp_path: Path) -> None:
    whole = zipped({"net.py": MODEL, "loss.py": LOSS})
    assert packed(whole, SAID, tmp_path) == whole
    (tmp_path / "loss.py").write_bytes(LOSS)
    with pytest.raises(TrainingError, match="leave one of them out") as caught:
        packed(whole, SAID, tmp_path)
    assert caught.value.code == "loss.file"


@pytest.mark.parametrize(
    ("file", "content", "code", "words"),
    [
        ("loss.py", None, "loss.file", "the loss file loss.py is not there"),
        ("model.py", LOSS, "loss.file", "rename it"),
        ("loss.py", b"def loss(outputs", "model.syntax", "the loss file loss.py, line 1 is not Python"),
        ("loss.py", b"x = 1\n" * 200_000, "model.size", "the loss file loss.py has 1200000 bytes"),
        ("loss.py", b"loss = print\n", "loss.file", "defines no function loss"),
        ("loss.py", b"class loss: ...\n", "loss.file", "defines no function loss"),
        ("loss.py", b"async def loss(outputs, targets): ...\n", "loss.file", "defines no function loss"),
        ("loss.py", b"def loss(outputs): ...\n", "loss.file", "line 1: expected def loss(outputs, targets)"),
        ("loss.py", b"def loss(a, b, c): ...\n", "loss.file", "with two arguments"),
        ("loss.py", b"def loss(a, b, *, c): ...\n", "loss.file", "with two arguments"),
        ("my-loss.py", LOSS, "archive.name", "the model with the loss file my-loss.py holds 'my-loss.py'"),
        ("random.py", LOSS, "archive.name", "Python has a module of that name"),
        ("loss.txt", LOSS, "archive.name", "expected Python files"),
        ("loss.py", MODEL + LOSS, "archive.main", "has 2 of them: model.py, loss.py"),
    ],
)
def test_what_cannot_be_a_loss_file_is_told_why(
    tmp_path: Path, file: str, content: bytes | None, code: str, words: str
) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(TrainingError) as caught:
        packed(MODEL, LossFile(file=file), tmp_path)
    assert (caught.value.code, words in caught.value.message) == (code, True), caught.value.message


@pytest.mark.parametrize(
    "source",
    ["def loss(a, b, c=1, *, d=2): ...", "def loss(*both): ...", "@wrapped\ndef loss(): ...", "def loss(a, /, b): ..."],
)
def test_what_can_be_called_with_two_values_is_one(source: str) -> None:
    check_loss(source.encode(), "loss.py")


def test_reading_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "loss.py").write_text(f"open({str(marker)!r}, 'w')\n@print\ndef loss(x=print('x'), y=1): ...\n")
    packed(MODEL, SAID, tmp_path)
    assert not marker.exists()


def test_what_is_added_does_not_depend_on_the_day() -> None:
    with zipfile.ZipFile(io.BytesIO(added(b"", "a.py", b"x = 1\n"))) as archive:
        (info,) = archive.infolist()
    assert (info.date_time, info.compress_type) == ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)
