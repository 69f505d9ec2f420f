"""One ingest: look at all files first, store them only if nothing is wrong.

Order of steps: settings and stored dataset -> schema (declared, stored, or inferred in a pass of its own) -> pass 1
validates every cell of every file -> decide -> pass 2 stores, and must see the same rows as pass 1 -> commit. All
files count from the same commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from bus.errors import Configuration, Conflict, Integrity, MusterError
from bus.suggestions import did_you_mean
from ingest.config import IngestConfig
from ingest.domain.encoding import RowDigest
from ingest.domain.inference import Inference
from ingest.domain.loading import Aim, Mode, Step, StoredDataset, after, decide, fit, joined, replaced
from ingest.domain.profile import Split, SplitProfile, Tally
from ingest.domain.schema import Schema
from ingest.domain.validation import Context, Examined, Registry
from ingest.domain.validators import BASIC
from ingest.passes import Passes
from ingest.report import IngestReport, Rejected, SplitReport, failure_file
from ingest.store import Store
from ingest.store.load import Load

_LOG: Final = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[Split, str, int], None]
"""Told the split, the step (``infer``, ``validate``, ``store``) and how many rows it has done."""


@dataclass(frozen=True)
class _Source:
    """One file."""

    path: Path
    passes: Passes
    header: tuple[str, ...]


@dataclass(frozen=True)
class _Run:
    """What all steps of a run share."""

    config: IngestConfig
    store: Store
    registry: Registry
    sources: Mapping[Split, _Source]


async def ingest(
    config: IngestConfig, *, registry: Registry = BASIC, progress: Progress = lambda _split, _step, _rows: None
) -> IngestReport:
    """Bring the CSV files of a dataset into the owner's store: all of them, or nothing.

    Running the same again is harmless: content that is there already is not stored twice.

    Args:
        config: What to load, and where.
        registry: Validators; add to ``ingest.domain.validators.BASIC``.
        progress: Called after every batch.

    Returns:
        What was stored. Only its ``profile`` may leave the site.

    Raises:
        Rejected: A file has errors (an ``Invalid``); the store is as it was.
        Invalid: A file is not readable as CSV, or does not fit the stored dataset.
        NotFound: There is no such file.
        Conflict: A file, or the dataset, changed meanwhile: run again.
        Configuration: The store's URL, user or rights are wrong.
        Unavailable: The store is away or full: run again later.
        Integrity: The stored rows are not what the catalogue says.
    """
    async with Store.open(config.store.get_secret_value()) as store:
        sources = {split: await _source(config, split, path, progress) for split, path in config.files.items()}
        run = _Run(config, store, registry, sources)
        stored = await store.find(config.dataset)
        schema = await _schema(run, stored)
        _check_consent(config, schema)
        wanted = Aim(config.dataset, config.category, config.target, schema, frozenset(sources), config.mode)
        aim = fit(stored, wanted)
        examined = await _examine(run, {split: _context(run, aim, stored, split) for split in sources})
        contents = {split: each.content for split, each in examined.items() if each.content is not None}
        step = decide(stored, aim, contents)
        if step.behind:
            found = await _store(run, aim, stored, step, contents)
        else:
            assert stored is not None
            await store.settle(aim)
            found = stored
        splits = {
            split: SplitReport(each.rows, each.rows if split in step.behind else 0, each.verdict)
            for split, each in examined.items()
        }
        return IngestReport(found.profile, found.revision, splits)


async def _source(config: IngestConfig, split: Split, path: Path, progress: Progress) -> _Source:
    passes = Passes(path, config.csv_options, config.batch_size, lambda step, rows: progress(split, step, rows))
    return _Source(path, passes, await passes.header())


async def _schema(run: _Run, stored: StoredDataset | None) -> Schema:
    """The declared schema, completed from the stored dataset or, if its columns may change, from the files."""
    config = run.config
    declared = config.declared()
    if not config.infer:
        return Schema(tuple(declared.values()))
    if stored is not None and not replaced(stored, frozenset(run.sources), config.mode):
        return Schema(tuple({**{column.name: column for column in stored.schema.columns}, **declared}.values()))
    first = next(iter(run.sources.values()))
    inference = Inference(
        first.header, declared=declared, ignored=config.ignore, null_tokens=config.csv_options.null_tokens
    )
    for source in run.sources.values():
        await source.passes.infer(inference, source.header)
    return inference.schema()


def _check_consent(config: IngestConfig, schema: Schema) -> None:
    words = config.consent.words
    for name in sorted(words) if isinstance(words, frozenset) else ():
        if schema.position(name) is None:
            raise Configuration(
                f"consent.words names {name!r}, which is no column; {did_you_mean(name, schema.names)}",
                code="config.invalid",
            )


def _context(run: _Run, aim: Aim, stored: StoredDataset | None, split: Split) -> Context:
    there = stored.profile.splits.get(split) if stored is not None and aim.mode is Mode.APPEND else None
    return Context(
        header=run.sources[split].header,
        schema=aim.schema,
        target=aim.target,
        category=aim.category,
        ignored=run.config.ignore,
        null_tokens=frozenset(run.config.csv_options.null_tokens),
        known_classes=(there.classes or {}) if there is not None else {},
    )


async def _examine(run: _Run, contexts: Mapping[Split, Context]) -> dict[Split, Examined]:
    examined = {}
    with failure_file(run.config.report) as failures:
        for split, context in contexts.items():
            sink = failures.of(run.sources[split].path)
            examined[split] = await run.sources[split].passes.examine(context, run.registry, sink)
    bad = {split: each for split, each in examined.items() if each.content is None}
    if bad:
        where = f"; all of them are in {run.config.report}" if run.config.report is not None else ""
        found = "; ".join(f"{run.sources[split].path} has {each.verdict.summary()}" for split, each in bad.items())
        raise Rejected(f"{found}{where}. Nothing was stored", bad)
    return examined


async def _store(
    run: _Run, aim: Aim, stored: StoredDataset | None, step: Step, contents: Mapping[Split, SplitProfile]
) -> StoredDataset:
    old = {split: stored.profile.splits[split] for split, parts in step.behind.items() if stored is not None and parts}
    digests = {split: await _reread(run, aim, split, profile) for split, profile in old.items()}
    load = await run.store.begin(aim, stored, step)
    try:
        for split in step.behind:
            await _fill(run, _context(run, aim, stored, split), split, load, contents[split], digests.get(split))
        splits = dict(contents)
        splits |= {split: joined(old[split], contents[split], digest.digest()) for split, digest in digests.items()}
        if stored is not None:
            splits |= {split: stored.profile.splits[split] for split in contents.keys() - step.behind.keys()}
        return await load.commit(after(stored, aim, splits), {split: contents[split].digest for split in step.behind})
    except MusterError:
        await _abandon(load)
        raise


async def _reread(run: _Run, aim: Aim, split: Split, old: SplitProfile) -> RowDigest:
    """The digest of the stored rows of a split, to be continued; they must be what they were."""
    digest = RowDigest(aim.schema)
    async with aclosing(run.store.rows(aim.dataset, split)) as batches:
        async for batch in batches:
            digest.add(batch)
    if digest.digest() != old.digest:
        raise Integrity(
            f"the stored rows of {aim.dataset!r}, {split} are not those that were loaded: "
            "restore the store from a backup, or ingest the split again with the mode replace",
            code="store.digest",
        )
    return digest


async def _fill(
    run: _Run, context: Context, split: Split, load: Load, content: SplitProfile, digest: RowDigest | None
) -> None:
    """Pass 2: store the rows, and take them into ``digest``; they must be those of pass 1."""
    source = run.sources[split]
    tally = Tally(context.schema, context.target, context.category)
    async with aclosing(source.passes.batches(context)) as batches:
        async for batch in batches:
            tally.add(batch)
            if digest is not None:
                digest.add(batch)
            await load.write(split, batch)
    if tally.profile() != content:
        raise Conflict(f"{source.path} changed while it was read; run again", code="source.changed")


async def _abandon(load: Load) -> None:
    try:
        await load.abandon()
    except MusterError as error:
        _LOG.warning("the rows of the failed load are left to the next run: %s", error.message)
