"""``muster``: the entry point."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from muster.cli import (
    artefacts,
    deadletters,
    demo,
    doctor,
    errors,
    experiments,
    ingest,
    link,
    look,
    model,
    plan,
    policy,
    proof,
    retention,
    run,
    scores,
    up,
)

app = typer.Typer(
    name="muster",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Event-driven federated learning: data stays at its owner, models come to it, every run can be proved.",
)
for group in (
    demo.app,
    up.app,
    ingest.app,
    link.app,
    run.app,
    experiments.app,
    artefacts.app,
    scores.app,
    look.app,
    proof.app,
    retention.app,
    doctor.app,
    errors.app,
):
    app.registered_commands += group.registered_commands
app.add_typer(model.app, name="model")
app.add_typer(plan.app, name="plan")
app.add_typer(policy.app, name="policy")
app.add_typer(deadletters.app, name="deadletters")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"muster {version('muster-fl')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Shared by all commands."""


def main() -> None:
    """Run the command line."""
    app()
