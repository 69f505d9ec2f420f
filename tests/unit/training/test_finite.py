"""Numbers that are not finite are found wherever they are, in every floating-point type."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from training import finite
from training.finite import not_finite


@pytest.mark.parametrize("place", [0, 1023, 1024, 4999])
@pytest.mark.parametrize("wrong", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: type[np.floating], wrong: float, place: int
) -> None:
    monkeypatch.setattr(finite, "_PIECE_BYTES", 1024)
    tensors = {"a": np.full((100, 50), np.finfo(dtype).max, dtype), "b": np.zeros(3, np.int64), "c": np.ones(7, dtype)}
    save_file(tensors, tmp_path / "file")
    assert list(not_finite(tmp_path / "file")) == []
    tensors["a"].flat[place] = wrong
    save_file(tensors, tmp_path / "file")
    assert list(not_finite(tmp_path / "file")) == [("a", 1)]


@pytest.mark.parametrize(("bits", "count"), [(0x7F80, 1), (0xFF80, 1), (0x7FC1, 1), (0x7F7F, 0), (0x8000, 0)])
def test_bfloat16_too(tmp_path: Path, bits: int, count: int) -> None:
    content = np.array([0x3F80, bits, 0x0000], "<u2").tobytes()
    header = json.dumps({"w": {"dtype": "BF16", "shape": [3], "data_offsets": [0, len(content)]}}).encode()
    (tmp_path / "file").write_bytes(len(header).to_bytes(8, "little") + header + content)
    assert list(not_finite(tmp_path / "file")) == ([("w", count)] if count else [])
