"""CSV files and the file of settings: what is wrong is told with its place and a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bus.errors import Configuration, Invalid, MusterError, NotFound
from ingest.config import IngestConfig, make_config, read_config
from ingest.csv_reader import CsvOptions, read_rows
from ingest.domain.findings import error
from ingest.domain.profile import Split
from ingest.report import failure_file

GOOD = {
    "dataset": "d",
    "category": "tabular_classification",
    "target": "kind",
    "train": "train.csv",
    "infer": True,
    "store": "sqlite:////store.db",
}


def rows(path: Path, content: bytes, **options: object) -> list[tuple[int, list[str]]]:
    path.write_bytes(content)
    return [(row.line, list(row.cells)) for row in read_rows(path, CsvOptions.model_validate(options))]


def test_lines_quotes_and_marks(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfa,b\r\n"x\ny","say ""no"""\r\n\r\n1,2\n'
    assert rows(tmp_path / "x.csv", content) == [(1, ["a", "b"]), (2, ["x\ny", 'say "no"']), (5, ["1", "2"])]
    assert rows(tmp_path / "x.csv", "a; b\né;1\n".encode("cp1252"), delimiter=";", encoding="cp1252")[1] == (
        2,
        ["é", "1"],
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,b\n1,\xff\n", "line 2, byte 6 of the file is not utf-8"),
        (b'a,b\n1,"x\n', "a quoted cell is never closed"),
        (b'a\n"x"y\n', "line 2: characters behind a closing quote"),
        (b"a\n\x00\n", "line 2 holds a NUL byte"),
        ("a\n1\n".encode("utf-16"), "is in UTF-16"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        rows(tmp_path / "x.csv", content)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        list(read_rows(tmp_path / "x.csv", CsvOptions()))
    with pytest.raises(Invalid, match="is a folder"):
        list(read_rows(tmp_path, CsvOptions()))


def test_paths_are_relative_to_the_settings(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(json.dumps({**GOOD, "test": "/else/test.csv"}))
    config = read_config(tmp_path / "c.yaml", store="sqlite:////other.db")
    assert config.files == {Split.TRAIN: tmp_path / "train.csv", Split.TEST: Path("/else/test.csv")}
    assert config.store.get_secret_value() == "sqlite:////other.db"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": None}, "expected a file: train, test, or both"),
        ({"infer": False}, "expected a schema"),
        ({"schema": {"age": "INTT"}}, "column 'age': 'INTT' is not a known SQL type; did you mean 'INT'?"),
        ({"schema": {"age": "INT"}, "ignore": ["age"]}, "both in the schema and ignored: 'age'"),
        ({"modee": "create"}, "modee is not known; did you mean 'mode'?"),
        ({"csv_options": {"delimeter": ";"}}, "did you mean 'delimiter'?"),
        ({"csv_options": {"encoding": "utf-16"}}, "ASCII"),
        ({"consent": {"wordz": "all"}}, "consent.wordz is not known; did you mean 'words'?"),
        ({"consent": {"words_min_rows": 0}}, "consent.words_min_rows: Input should be greater than or equal to 1"),
        ({"dataset": "a b"}, "dataset name 'a b' is not usable"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(Configuration) as caught:
        make_config({**GOOD, **changes})
    assert words in caught.value.message


def test_the_password_of_the_store_is_not_shown() -> None:
    url = "mysql://muster:hunter2@db/x"
    with pytest.raises(Configuration) as caught:
        make_config({**GOOD, "store": url, "mode": "x"})
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in repr(make_config({**GOOD, "store": url}))
    assert isinstance(make_config({**GOOD, "store": url}), IngestConfig)


def test_settings_that_are_no_mapping(tmp_path: Path) -> None:
    for text, words in (("- x\n", "no mapping"), ("a: [\n", "line 2 are not YAML")):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(Configuration, match=words):
            read_config(tmp_path / "c.yaml")
    with pytest.raises(Configuration, match="cannot be read"):
        read_config(tmp_path / "none.yaml")


def test_the_report_is_for_its_owner_alone_and_goes_when_all_is_well(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    with failure_file(path) as failures:
        failures.of(Path("x.csv"))(error("cell.integer", "expected INT", line=3, column="age"))
    assert path.stat().st_mode & 0o777 == 0o600
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["file"] == "x.csv"
    assert json.loads(line)["line"] == 3
    with failure_file(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MusterError, match="name another path"), failure_file(tmp_path / "no" / "x"):
        pass
