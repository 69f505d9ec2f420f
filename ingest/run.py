"""One ingest: look at the whole file first, store it only if nothing is wrong.

Order of steps: settings and stored dataset -> schema (declared, stored, or inferred in a pass of its own) -> pass 1
validates every cell -> decide -> pass 2 stores, and must see the same rows as pass 1 -> commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

from bus.errors import Conflict, Integrity, MusterError
from ingest.config import IngestConfig
from ingest.domain.encoding import RowDigest
from ingest.domain.loading import Aim, Mode, Step, StoredDataset, after, decide, fit, joined
from ingest.domain.profile import SplitProfile, Tally
from ingest.domain.schema import Schema
from ingest.domain.validation import Context, Examined, Registry
from ingest.domain.validators import BASIC
from ingest.passes import Passes
from ingest.report import IngestReport, Rejected, failure_file
from ingest.store import Store
from ingest.store.load import Load

_LOG: Final = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[str, int], None]
"""Told the step (``infer``, ``validate``, ``store``) and how many rows it has done."""


@dataclass(frozen=True)
class _Run:
    """What all steps of a run share."""

    config: IngestConfig
    store: Store
    passes: Passes
    registry: Registry


async def ingest(
    config: IngestConfig, *, registry: Registry = BASIC, progress: Progress = lambda _step, _rows: None
) -> IngestReport:
    """Bring one CSV file into the owner's store: all of it, or nothing.

    Running the same again is harmless: content that is there already is not stored twice.

    Args:
        config: What to load, and where.
        registry: Validators; add to ``ingest.domain.validators.BASIC``.
        progress: Called after every batch.

    Returns:
        What was stored. Only its ``profile`` may leave the site.

    Raises:
        Rejected: The file has errors (an ``Invalid``); the store is as it was.
        Invalid: The file is not readable as CSV, or does not fit the stored dataset.
        NotFound: There is no such file.
        Conflict: The file, or the dataset, changed meanwhile: run again.
        Configuration: The store's URL, user or rights are wrong.
        Unavailable: The store is away or full: run again later.
        Integrity: The stored rows are not what the catalogue says.
    """
    async with Store.open(config.store.get_secret_value()) as store:
        run = _Run(config, store, Passes(config.source, config.csv_options, config.batch_size, progress), registry)
        stored = await store.find(config.dataset)
        header = await run.passes.header()
        schema = await _schema(run, header, stored)
        wanted = Aim(config.dataset, config.category, config.target, schema, config.split, config.mode)
        aim = fit(stored, wanted)
        context = _context(config, header, aim, stored)
        examined = await _examine(run, context)
        assert examined.content is not None
        step = decide(stored, aim, examined.content)
        if step.store:
            after_load = await _store(run, context, aim, stored, step, examined.content)
        else:
            assert stored is not None
            await store.settle(aim)
            after_load = stored
        rows = examined.rows if step.store else 0
        revision, already = after_load.revision, not step.store
        return IngestReport(after_load.profile, revision, examined.rows, rows, examined.verdict, already)


async def _schema(run: _Run, header: tuple[str, ...], stored: StoredDataset | None) -> Schema:
    """The declared schema, completed from the stored dataset or, if its columns may change, from the file."""
    config = run.config
    declared = config.declared()
    if not config.infer:
        return Schema(tuple(declared.values()))
    replaced = config.mode is Mode.REPLACE and stored is not None and set(stored.parts) <= {config.split}
    if stored is not None and not replaced:
        return Schema(tuple({**{column.name: column for column in stored.schema.columns}, **declared}.values()))
    return await run.passes.infer(header, declared, config.ignore)


def _context(config: IngestConfig, header: tuple[str, ...], aim: Aim, stored: StoredDataset | None) -> Context:
    there = stored.profile.splits.get(aim.split) if stored is not None and aim.mode is Mode.APPEND else None
    return Context(
        header=header,
        schema=aim.schema,
        target=aim.target,
        category=aim.category,
        ignored=config.ignore,
        null_tokens=frozenset(config.csv_options.null_tokens),
        known_classes=(there.classes or {}) if there is not None else {},
    )


async def _examine(run: _Run, context: Context) -> Examined:
    with failure_file(run.config.report) as failures:
        examined = await run.passes.examine(context, run.registry, failures.add)
    if examined.content is None:
        where = f"; all of them are in {run.config.report}" if run.config.report is not None else ""
        raise Rejected(
            f"{run.config.source} has {examined.verdict.summary()}{where}. Nothing was stored",
            verdict=examined.verdict,
            read=examined.rows,
            failed=examined.failed,
        )
    return examined


async def _store(
    run: _Run, context: Context, aim: Aim, stored: StoredDataset | None, step: Step, content: SplitProfile
) -> StoredDataset:
    digest = RowDigest(aim.schema)
    old = stored.profile.splits[aim.split] if stored is not None and step.keep else None
    if old is not None:
        await _reread(run, aim, old, digest)
    load = await run.store.begin(aim, stored, step)
    try:
        await _fill(run, context, load, content, digest)
        split = content if old is None else joined(old, content, digest.digest())
        return await load.commit(after(stored, aim, split), content.digest)
    except MusterError:
        await _abandon(load)
        raise


async def _reread(run: _Run, aim: Aim, old: SplitProfile, digest: RowDigest) -> None:
    """Take the stored rows of the split into ``digest``, and make sure that they are what they were."""
    async with aclosing(run.store.rows(aim.dataset, aim.split)) as batches:
        async for batch in batches:
            digest.add(batch)
    if digest.digest() != old.digest:
        raise Integrity(
            f"the stored rows of {aim.dataset!r}, {aim.split} are not those that were loaded: "
            "restore the store from a backup, or ingest the split again with the mode replace",
            code="store.digest",
        )


async def _fill(run: _Run, context: Context, load: Load, content: SplitProfile, digest: RowDigest) -> None:
    """Pass 2: store the rows; they must be those of pass 1."""
    tally = Tally(context.schema, context.target, context.category)
    async with aclosing(run.passes.batches(context)) as batches:
        async for batch in batches:
            tally.add(batch)
            digest.add(batch)
            await load.write(batch)
    if tally.profile() != content:
        raise Conflict(f"{run.config.source} changed while it was read; run again", code="source.changed")


async def _abandon(load: Load) -> None:
    try:
        await load.abandon()
    except MusterError as error:
        _LOG.warning("the rows of the failed load are left to the next run: %s", error.message)
