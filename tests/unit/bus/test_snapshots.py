"""A snapshot that cannot be believed is as good as none."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.runtime.snapshots import Snapshot, SnapshotFile

SNAPSHOT = Snapshot(7, "an id", b'{"any": "content\\n with lines"}\n')


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    file = SnapshotFile(tmp_path / "s", "form 1")
    assert file.load() is None
    file.save(SNAPSHOT)
    assert file.load() == SNAPSHOT
    newer = Snapshot(8, "another", b"")
    file.save(newer)
    assert file.load() == newer
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"garbage",
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data.replace(b"content", b"CONTENT"),
        lambda data: data.replace(b'"position":7', b'"position":"x"'),
        lambda data: data.replace(b"muster-snapshot-v1", b"muster-snapshot-v9"),
    ],
)
def test_what_was_changed_is_not_believed(tmp_path: Path, change) -> None:
    file = SnapshotFile(tmp_path / "s", "form 1")
    file.save(SNAPSHOT)
    (tmp_path / "s").write_bytes(change((tmp_path / "s").read_bytes()))
    assert file.load() is None


def test_another_form_is_not_misread(tmp_path: Path) -> None:
    SnapshotFile(tmp_path / "s", "form 1").save(SNAPSHOT)
    assert SnapshotFile(tmp_path / "s", "form 2").load() is None
