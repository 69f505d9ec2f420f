"""``muster ingest``: bring data into an edge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from bus.errors import Configuration
from ingest.domain.loading import Mode
from ingest.domain.profile import Category
from ingest.domain.registration import Outcome
from muster.cli.frame import Federation, Frame, Json
from muster.ingest import ingest as bring_in

app = typer.Typer()

LeastTaken = Annotated[
    int | None,
    typer.Option(
        min=1, help="Fewest training rows that an experiment may take if it does not take all.", show_default="5"
    ),
]
_PATHS: Final = frozenset({"train", "test", "report"})


@app.command()
def ingest(
    edge: Annotated[str, typer.Option(help="Whose data it is.")],
    dataset: Annotated[str | None, typer.Option(help="Name that all edges with this kind of data share.")] = None,
    target: Annotated[str | None, typer.Option(help="The column to be learned.")] = None,
    category: Annotated[Category | None, typer.Option(help="What the data is meant for.")] = None,
    train: Annotated[Path | None, typer.Option(help="CSV file of the training part.")] = None,
    test: Annotated[Path | None, typer.Option(help="CSV file of the test part.")] = None,
    schema: Annotated[
        Path | None, typer.Option(help="YAML file: column -> SQL type, e.g. 'age: INT NOT NULL'.")
    ] = None,
    infer: Annotated[
        bool | None,
        typer.Option(
            "--infer/--no-infer",
            help="Take the types of columns that the schema does not name from the data.",
            show_default="yes without a schema",
        ),
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="What to do when a part exists already.", show_default="create")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Column to leave out; give it once per column.")] = None,
    null: Annotated[
        list[str] | None, typer.Option(help="Cell that means a missing value, e.g. NA; repeatable.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Character between cells.", show_default=",")] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(help="Text column whose words others may know; repeatable; 'all' or 'none'.", show_default="none"),
    ] = None,
    features_modifiable: Annotated[
        bool | None,
        typer.Option(
            "--features-modifiable/--features-fixed",
            help="Whether experiments may make new features from the columns.",
            show_default="yes",
        ),
    ] = None,
    least_taken: LeastTaken = None,
    report: Annotated[Path | None, typer.Option(help="Where every error is listed. It quotes cells.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with all of this; options win over it.")] = None,
    federation: Federation = None,
    json: Json = False,
) -> None:
    """Bring CSV files into an edge's store, and register the dataset with the federation.

    Every cell is checked before any row is stored. Only metadata leaves the edge: columns, types, counts, class
    labels, and the frequent words of text columns whose owner allows it.
    Running the same again is harmless, and finishes what was cut short.
    """
    frame = Frame(as_json=json, federation=federation)
    options = {
        "dataset": dataset,
        "target": target,
        "category": category,
        "train": train,
        "test": test,
        "infer": infer,
        "mode": mode,
        "ignore": ignore,
        "report": report,
    }
    csv_options = {"null_tokens": null, "delimiter": delimiter}
    told = words[0] if words in (["all"], ["none"]) else words
    consent = {"words": told, "features_modifiable": features_modifiable, "least_taken": least_taken}

    async def work() -> None:
        content = _file(config) if config is not None else {}
        content |= _given(options)
        for section, options_of in (("csv_options", csv_options), ("consent", consent)):
            if given := _given(options_of):
                content[section] = {**(content.get(section) or {}), **given}
        if schema is not None:
            content["schema"] = _mapping(schema)
        if "schema" not in content:
            content.setdefault("infer", True)
        _show(frame, await bring_in(frame.layout, edge, content))

    frame.run(work)


def _file(path: Path) -> dict[str, Any]:
    """The settings in a file; the paths among them are relative to its folder."""
    content = _mapping(path)
    return content | {key: path.parent / str(content[key]) for key in _PATHS & content.keys()}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _mapping(path: Path) -> dict[str, Any]:
    """What a YAML file holds.

    Raises:
        Configuration: It cannot be read, or is no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Configuration(
            f"{path} cannot be read as YAML: correct it, or name another", code="config.yaml"
        ) from error
    if not isinstance(content, dict):
        raise Configuration(f"{path} is no mapping: expected lines of the form 'name: value'", code="config.yaml")
    return content


def _show(frame: Frame, outcome: Outcome) -> None:
    for warning in outcome.warnings:
        frame.out.say(f"warning: {warning}")
    if not outcome.announced:
        frame.out.say(
            f"{outcome.dataset} is not announced to the federation yet: nothing can be trained on it until "
            "there is a training part. Bring it in with --train"
        )
    frame.out.result({**outcome.model_dump(mode="json"), "announced": outcome.announced}, str(outcome))
