"""Has an edge take in data: runs ``python -m ingest`` at the edge's site, where the data stays."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bus.errors import TREATMENT, MusterError, NotFound
from bus.processes import die_with_parent
from bus.suggestions import did_you_mean
from ingest.domain.registration import Outcome
from muster.federation.layout import Layout

PATIENCE_S: Final = 10.0
_FAMILIES: Final = {treatment.exit_code: family for family, treatment in TREATMENT.items()}
"""Exit status -> family; the table lists a family behind those that it includes, so the wider one counts."""


async def ingest(layout: Layout, edge: str, config: Mapping[str, object], *, patience_s: float = PATIENCE_S) -> Outcome:
    """Bring the CSV files of a dataset into the store of ``edge``, and have the edge register it.

    All files are checked before any row is stored. Running the same again is harmless, and finishes what was cut short.

    Args:
        layout: The federation.
        edge: Whose data it is.
        config: Settings of the ingest, see ``ingest.config.IngestConfig``: ``dataset``, ``category``, ``target``,
            ``train``, ``test``, ``schema`` or ``infer``, ... Paths are absolute, or relative to the working directory.
        patience_s: How long to wait for the federation's server once the rows are stored.

    Raises:
        NotFound: There is no such edge, or no such file.
        Invalid: A file has errors, or does not fit the stored dataset; nothing was stored.
        Configuration: The settings are not usable.
        Unavailable: The federation does not run; the rows are stored, running again announces them.
        MusterError: What else the ingest ended with.
    """
    edges = layout.read().edges
    if edge not in edges:
        raise NotFound(
            f"there is no edge {edge!r} in this federation; {did_you_mean(edge, edges)}", code="edge.missing"
        )
    log = layout.log(f"ingest-{edge}")
    log.parent.mkdir(parents=True, exist_ok=True)
    status, output = await _run(layout.settings(edge), config, log, patience_s)
    return _outcome(status, output, log)


async def ingest_files(
    layout: Layout, edge: str, *, dataset: str, category: str, target: str, files: Mapping[str, Path]
) -> Outcome:
    """``ingest`` of plain files, whose columns and types are taken from the data.

    Args:
        layout: The federation.
        edge: Whose data it is.
        dataset: Name that all edges with this kind of data share.
        category: What the data is meant for, e.g. ``tabular_classification``.
        target: The column to be learned.
        files: ``train`` and ``test`` -> CSV file.

    Raises:
        MusterError: As ``ingest``.
    """
    config = {"dataset": dataset, "category": category, "target": target, "infer": True, **files}
    return await ingest(layout, edge, config)


async def _run(settings: Path, config: Mapping[str, object], log: Path, patience_s: float) -> tuple[int, bytes]:
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # whatever lies in the working directory is not our code
            "-m",
            "ingest",
            "--settings",
            str(settings),
            "--patience",
            str(patience_s),
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            preexec_fn=die_with_parent,
        )
    output, _ = await process.communicate(json.dumps(config, default=str).encode())
    assert process.returncode is not None
    return process.returncode, output


def _outcome(status: int, output: bytes, log: Path) -> Outcome:
    """What the process said.

    Raises:
        MusterError: The error that it ended with.
    """
    try:
        if status == 0:
            return Outcome.model_validate_json(output)
        error: dict[str, Any] = json.loads(output)["error"]
        raise _FAMILIES.get(status, MusterError)(error["message"], code=error["code"], **error["details"])
    except (ValueError, KeyError, TypeError) as cause:
        raise MusterError(
            f"the ingest ended with status {status} and without a result: see {log}, then run it again",
            code="ingest.died",
        ) from cause
