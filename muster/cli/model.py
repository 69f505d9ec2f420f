"""``muster model``: check a model file without a federation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from muster.cli.frame import Frame, Json
from muster.submission.vetting import Subject, made_up, refusal, vet
from muster.telling.display import show_check
from training.losses import LossFile
from training.plan import Limits, Training

app = typer.Typer(no_args_is_help=True, help="Look at model files, without a federation.")


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
        config = made_up(subject.header, features, classes, training=training, limits=Limits(wall_s=wall_s))
        report, error = await vet(subject, config, lambda step: show_check(frame.out.prose, step))
        if error is not None:
            raise refusal(report, error)
        content = {"file": file.name, "passed": report.passed, **report.model_dump(mode="json")}
        frame.out.result(content, f"{file.name} can be trained in federation")

    frame.run(work)
