"""``muster model``: check a model file without a federation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from muster.cli.frame import Frame, Json, Output
from muster.vetting import Subject, refusal, vet
from training.contract.report import State, Step
from training.losses import LossFile
from training.plan import Limits, Training
from training.worker.config import Config

app = typer.Typer(no_args_is_help=True, help="Look at model files, without a federation.")

_FEATURES: Final = 8
_CLASSES: Final = 2
_CLASSIFICATION: Final = "tabular_classification"
_MARKS: Final = {State.PASSED: ("✓", "green"), State.FAILED: ("✗", "bold red"), State.SKIPPED: ("-", "dim")}


@app.callback()
def group() -> None:
    """Keeps ``check`` a command of its own while it is the only one."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The model: a Python file, or a flat zip of several.")],
    weights: Annotated[
        Path | None,
        typer.Option(help="A safetensors file to begin with.", show_default="<model>_weights.safetensors beside it"),
    ] = None,
    loss: Annotated[Path | None, typer.Option(help="A Python file with a loss, as training.loss names one.")] = None,
    features: Annotated[
        int | None, typer.Option(min=1, help="Columns to learn from.", show_default="as the file says, or 8")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="Classes to tell apart.", show_default="as the file says, or 2")
    ] = None,
    wall_s: Annotated[float, typer.Option(min=1, help="Longest time that it may take, in seconds.")] = 120.0,
    json: Json = False,
) -> None:
    """Check a model file as 'muster run' does: eight checks on made-up rows, in a worker without network.

    The first check that fails ends it: the message says what was found, what was expected and what to do, and the
    exit status is not 0.
    """
    frame = Frame(as_json=json)

    async def work() -> None:
        subject, training = Subject.read(file, weights), Training()
        if loss is not None:
            own = LossFile(file=loss.name)
            subject, training = subject.with_loss(own, loss.parent), Training(loss=own)
        header = subject.header
        count = classes or header.output_classes or _CLASSES
        config = Config(
            category=header.category,
            framework=header.framework,
            features=tuple(f"f{place}" for place in range(features or header.num_feature_points or _FEATURES)),
            target="target",
            classes=tuple(f"c{place:04}" for place in range(count)) if header.category == _CLASSIFICATION else None,
            training=training,
            limits=Limits(wall_s=wall_s),
        )
        report, error = await vet(subject, config, lambda step: show(frame.out, step))
        if error is not None:
            raise refusal(report, error)
        content = {"file": file.name, "passed": report.passed, **report.model_dump(mode="json")}
        frame.out.result(content, f"{file.name} can be trained in federation")

    frame.run(work)


def show(out: Output, step: Step) -> None:
    """A line for a check that is over, as prose."""
    mark, style = _MARKS[step.state]
    line = Text.assemble((f"{mark} ", style), f"{step.check:<11} ", (step.found, "dim"))
    if step.state is State.PASSED:
        line.append(f"  {step.seconds:.1f} s", style="dim")
    out.prose.print(line, soft_wrap=True)
    if step.state is State.FAILED:
        out.prose.print(Text(f"    expected: {step.expected}"), soft_wrap=True)
        out.prose.print(Text(f"    fix:      {step.fix}"), soft_wrap=True)
