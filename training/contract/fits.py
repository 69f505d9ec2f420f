"""What a header declares, held to the data that the model is to learn from."""

from __future__ import annotations

from dataclasses import dataclass

from training.contract.header import Header


@dataclass(frozen=True)
class Declaration:
    """A variable of the header that is about the shape of the data.

    Attributes:
        variable: Its name.
        declared: What the header says; ``None`` if it does not.
        found: What the data has; ``None`` if that cannot be compared.
        unit: What ``found`` is found in, for sentences.
    """

    variable: str
    declared: int | tuple[int, ...] | None
    found: int | tuple[int, ...] | None
    unit: str = "the data has"

    @property
    def problem(self) -> str | None:
        """How header and data differ, in words; ``None`` if they do not."""
        if None in (self.declared, self.found) or self.declared == self.found:
            return None
        return f"the model file declares {self.variable} = {self.declared}, {self.unit} {self.found}"


def outputs(header: Header, classes: int | None) -> Declaration:
    """What the model gives: one output for each of ``classes``; ``None`` for a number."""
    return Declaration("output_classes", header.output_classes, classes)


def inputs(header: Header, features: int | None) -> tuple[Declaration, ...]:
    """What the model takes: as many numbers per row as there are ``features``; ``None`` while that is not known."""
    record = None if features is None else (features,)
    return (
        Declaration("num_feature_points", header.num_feature_points, features),
        Declaration("input_shape", header.input_shape, record, "a record of the data"),
    )


def misfits(*declarations: Declaration) -> list[str]:
    """What the header says otherwise than the data, in words; empty if they agree."""
    return [each.problem for each in declarations if each.problem is not None]
