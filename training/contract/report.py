"""What comes of checking a model: one step after the other, each passed, failed or skipped."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

MAX_PARAMETERS: Final = 3_000_000_000
"""Most parameters that a model may learn."""

_Text = Annotated[str, Field(max_length=1000)]


class Check(StrEnum):
    """The checks, in their order."""

    LOADS = "loads"
    FRAMEWORK = "framework"
    OUTPUTS = "outputs"
    INPUTS = "inputs"
    MODEL_TYPE = "model_type"
    PARAMETERS = "parameters"
    LOSS = "loss"
    AVERAGES = "averages"
    ADAPTERS = "adapters"
    """Not one of the eight: there are no adapters yet, so it is always skipped, and says so."""


EIGHT: Final = tuple(Check)[:8]

MEANINGS: Final = {
    Check.LOADS: "the file is Python with a complete header, imports, and makes something",
    Check.FRAMEWORK: "what it makes belongs to the framework and the category that it declares",
    Check.OUTPUTS: "it gives one number for each class, or one number, for each row",
    Check.INPUTS: "it takes rows with as many columns as the data has",
    Check.MODEL_TYPE: "what it makes is of the model_type that it declares",
    Check.PARAMETERS: f"it learns at most {MAX_PARAMETERS:,} parameters; pretrained weights are of its form",
    Check.LOSS: "a few epochs as the plan has them leave the loss and all weights finite; a loss file gives one finite "
    "number that depends on the outputs, for any number of rows",
    Check.AVERAGES: "the mean of two trained copies loads back and predicts",
    Check.ADAPTERS: "trained adapters in the place of all weights",
}
"""What has to hold."""


class State(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Step(BaseModel):
    """One check that is over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Check
    state: State
    seconds: float = Field(default=0.0, ge=0)
    found: _Text = ""
    """What was seen; of a skipped check, why it was not tried."""
    expected: _Text = ""
    """What has to hold."""
    code: str | None = None
    """Of the error, if it failed."""
    fix: _Text = ""
    """What to do, if it failed."""


class Report(BaseModel):
    """All checks of one model.

    Attributes:
        steps: In their order; fewer than all while it goes on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    steps: tuple[Step, ...] = Field(default=(), max_length=len(Check))

    @property
    def failure(self) -> Step | None:
        """The check that failed."""
        return next((step for step in self.steps if step.state is State.FAILED), None)

    @property
    def passed(self) -> bool:
        """Whether all of the eight were tried and none failed."""
        return len(self.steps) == len(Check) and self.failure is None

    def ended(self, failed: Step) -> Report:
        """This one with the check that failed behind what is over already, and the others skipped."""
        before = self.steps[: list(Check).index(failed.check)]
        rest = [
            Step(check=check, state=State.SKIPPED, found=f"{failed.check} failed", expected=MEANINGS[check])
            for check in list(Check)[len(before) + 1 :]
        ]
        return Report(steps=(*before, failed, *rest))
