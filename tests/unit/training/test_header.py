"""What a header may say; what it may not is in ``tests/hostile``."""

from __future__ import annotations

import pytest

from training.contract.fits import inputs, misfits, outputs
from training.contract.header import Header, check_header, read_header
from training.contract.variables import BY_NAME, CATEGORIES, VARIABLES
from training.errors import TrainingError
from training.registry import default_registry

WHOLE = b'''"""A model."""
framework = "torch"
category: str = "tabular_classification"
main_class = "Network"
model_type = "neural_network"
batch_size: int = 16
output_classes = 3
num_feature_points = 0x1E
input_shape = [30]
license = "Apache-2.0"
other = 2 * 3


class Network:
    batch_size = None

    def __init__(self, features, outputs, width=8, *, depth=2, **more):
        framework = category = self
'''


def test_everything_that_a_header_may_say() -> None:
    assert read_header(WHOLE) == Header(
        framework="torch",
        category="tabular_classification",
        entry="Network",
        model_type="neural_network",
        batch_size=16,
        output_classes=3,
        num_feature_points=30,
        input_shape=(30,),
        license="Apache-2.0",
    )


def test_the_entry_may_come_from_a_file_beside() -> None:
    source = WHOLE.replace(b"class Network:", b"from net import Network\n\nclass Other:")
    assert read_header(source).entry == "Network"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_encodings_of_python(encoding: str) -> None:
    source = f"# -*- coding: {encoding.removesuffix('-sig')} -*-\n# für\n" + WHOLE.decode()
    assert read_header(source.encode(encoding)).entry == "Network"


def test_what_a_header_declares_is_held_to_the_data() -> None:
    header = read_header(WHOLE)
    assert misfits(outputs(header, 3), *inputs(header, 30)) == []
    assert misfits(outputs(header, None), *inputs(header, None)) == []
    assert misfits(outputs(header, 4), *inputs(header, 29)) == [
        "the model file declares output_classes = 3, the data has 4",
        "the model file declares num_feature_points = 30, the data has 29",
        "the model file declares input_shape = (30,), a record of the data (29,)",
    ]


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_every_category_says_what_it_needs(category: str) -> None:
    header = Header("torch", category, "Network")
    needed = [v.name for v in VARIABLES if v.is_needed(category, "torch") and v.name not in header.said]
    assert all(BY_NAME[name].fits(category) for name in needed)
    if not needed:
        assert category.startswith("tabular")
        return
    with pytest.raises(TrainingError, match=f"has no {needed[0]}") as caught:
        check_header(header, frameworks={"torch"}, categories=CATEGORIES, name="m")
    assert caught.value.code == "contract.missing"


def test_a_framework_says_which_categories_it_trains() -> None:
    with pytest.raises(TrainingError, match="cannot train"):
        default_registry().framework("sklearn", "object_detection")
