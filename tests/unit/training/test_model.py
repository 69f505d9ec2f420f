from __future__ import annotations

import pytest

from training.errors import TrainingError
from training.model import check_header, read_header
from training.registry import default_registry

GOOD = b"""
framework = "sklearn"
category = "tabular_classification"
main_class = "Model"

class Model:
    pass
"""


def test_the_header_is_read_without_running_the_file() -> None:
    header = read_header(GOOD + b"\nraise RuntimeError('ran')\n")
    assert (header.framework, header.category, header.entry) == ("sklearn", "tabular_classification", "Model")


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        (b"def (", "model.syntax", "line 1"),
        (b"x = 1\0", "model.syntax", "null byte"),
        (GOOD.replace(b"framework", b"framewrok"), "model.contract", "has no framework"),
        (GOOD.replace(b"main_class", b"main"), "model.contract", "neither main_method and main_class"),
        (GOOD + b'main_method = "Model"\n', "model.contract", "both"),
        (GOOD.replace(b'"Model"', b'"Modle"'), "model.contract", "did you mean 'Model'?"),
        (GOOD.replace(b'"sklearn"', b'"sk" + "learn"'), "model.contract", "line 2: framework must be a string"),
        (GOOD.replace(b"main_class", b"main_method"), "model.contract", "defines no function 'Model'"),
        (b"#" * (1024 * 1024 + 1), "model.size", "at most"),
    ],
)
def test_a_bad_header_is_told_what_is_wrong(source: bytes, code: str, words: str) -> None:
    with pytest.raises(TrainingError) as caught:
        read_header(source, "model.py")
    assert caught.value.code == code
    assert words in caught.value.message


def test_unknown_names_are_answered_with_known_ones() -> None:
    registry = default_registry()
    header = read_header(GOOD.replace(b"sklearn", b"sklaern"))
    with pytest.raises(TrainingError, match="did you mean 'sklearn'"):
        check_header(header, frameworks=registry.frameworks, categories=registry.categories, name="m")
    with pytest.raises(TrainingError, match="cannot train"):
        registry.framework("sklearn", "object_detection")
