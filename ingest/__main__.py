"""``python -m ingest --settings FILE CONFIG``: bring the files of a dataset into an edge's store, and say so.

Standard output holds one JSON object: the result (``ingest.domain.registration.Outcome``), or ``{"error": {"code",
"message", "details"}}``. Logs go to standard error; the exit status tells the family of the error
(``bus.errors.TREATMENT``).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from bus.errors import MusterError, treatment
from bus.runtime import logs, telemetry
from ingest.config import IngestConfig, parse_config, read_config
from ingest.domain.registration import Outcome
from ingest.service import IngestSettings, bring_in

_log = logging.getLogger("ingest")

_STDIN: Final = Path("-")
_INTERRUPTED: Final = 130


def run(
    config: Annotated[
        Path, typer.Argument(help="YAML file that names the dataset and its files; '-' reads it from standard input.")
    ],
    settings: Annotated[Path, typer.Option(help="YAML file with the edge's settings.")],
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the federation's server once the rows are stored.")
    ] = 10.0,
) -> None:
    """Bring the CSV files of a dataset into an edge's store, and register it with the federation.

    All files are checked before any row is stored. Running the same again is harmless, and finishes what was cut short.
    """
    sys.exit(_process(config, settings, patience))


def _process(config: Path, settings: Path, patience_s: float) -> int:
    logs.configure("info")
    try:
        outcome = _work(config, IngestSettings.load(settings), patience_s)
    except MusterError as error:
        _log.error("the ingest ends: %s", error, extra={"code": error.code})
        _print({"error": {"code": error.code, "message": error.message, "details": error.details}})
        return treatment(error).exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    _print(outcome.model_dump(mode="json"))
    return 0


def _work(config: Path, settings: IngestSettings, patience_s: float) -> Outcome:
    logs.configure(settings.log_level)
    settings.data.mkdir(parents=True, exist_ok=True)
    wanted = _with_report(_read(config, settings), settings)
    finish = telemetry.configure("ingest", settings.identity.name, settings.trace_file)
    try:
        with telemetry.span("ingest", dataset=wanted.dataset):
            return asyncio.run(bring_in(wanted, settings, patience_s=patience_s))
    finally:
        finish()


def _read(config: Path, settings: IngestSettings) -> IngestConfig:
    if config == _STDIN:
        text = sys.stdin.read()
        return parse_config(text, name="on standard input", folder=Path.cwd(), store=settings.store_url)
    return read_config(config, store=settings.store_url)


def _with_report(config: IngestConfig, settings: IngestSettings) -> IngestConfig:
    """``config`` with a place for what is wrong with the files."""
    if config.report is not None:
        return config
    folder = settings.data / "ingest"
    folder.mkdir(mode=0o700, exist_ok=True)
    return config.model_copy(update={"report": folder / f"{config.dataset}.errors.jsonl"})


def _print(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    typer.run(run)
