"""What a header declares, held to the data that the model is to learn from."""

from __future__ import annotations

from training.contract.header import Header


def misfits(header: Header, features: int, classes: int | None) -> list[str]:
    """What the header says otherwise than the data, in words; empty if they agree.

    Args:
        header: Of the model file.
        features: Number of columns to learn from.
        classes: Number of classes of the target; ``None`` for a number.
    """
    return [*wrong_outputs(header, classes), *wrong_inputs(header, features)]


def wrong_outputs(header: Header, classes: int | None) -> list[str]:
    """As ``misfits``, for what the model gives."""
    declared = header.output_classes
    if declared is None or classes is None or declared == classes:
        return []
    return [f"the model file declares output_classes = {declared}, the data has {classes}"]


def wrong_inputs(header: Header, features: int) -> list[str]:
    """As ``misfits``, for what the model takes."""
    problems = []
    if header.num_feature_points not in {None, features}:
        problems.append(
            f"the model file declares num_feature_points = {header.num_feature_points}, the data has {features}"
        )
    if header.input_shape not in {None, (features,)}:
        problems.append(
            f"the model file declares input_shape = {header.input_shape}, a record of the data ({features},)"
        )
    return problems
