"""Passes over the file, off the event loop: a few thousand rows at a time in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from bus.errors import Conflict, Invalid
from ingest.csv_reader import CsvOptions, read_rows
from ingest.domain.findings import Finding
from ingest.domain.inference import Inference
from ingest.domain.records import Row, Values
from ingest.domain.validation import Context, Examination, Examined, Registry, whole

_CHUNK: Final = 2000
"""Rows between two looks at the event loop: about a tenth of a second."""

T = TypeVar("T")
P = ParamSpec("P")


class Passes:
    """The ways in which a run goes over its file.

    Args:
        path: The file.
        options: How it is written.
        batch_rows: Rows in a batch to be stored.
        progress: Told the step and the rows done.
    """

    def __init__(self, path: Path, options: CsvOptions, batch_rows: int, progress: Callable[[str, int], None]) -> None:
        self._path = path
        self._options = options
        self._batch_rows = batch_rows
        self._progress = progress

    async def header(self) -> tuple[str, ...]:
        """The first record.

        Raises:
            MusterError: As ``ingest.csv_reader.read_rows``.
        """
        with self._open() as (header, _):
            return header

    async def infer(self, inference: Inference, header: Sequence[str]) -> None:
        """Have ``inference`` look at every row.

        Raises:
            MusterError: As ``ingest.csv_reader.read_rows``; the header is not usable.
        """
        try:
            inference.turn_to(header)
        except Invalid as error:
            raise Invalid(f"{self._path}: {error.message}", code=error.code) from error

        def see(rows: Iterable[Row]) -> None:
            for row in rows:
                inference.see(row)

        with self._open() as (_, rows):
            await self._feed("infer", rows, see)

    async def examine(self, context: Context, registry: Registry, sink: Callable[[Finding], None]) -> Examined:
        """Validate every row.

        Raises:
            MusterError: As ``ingest.csv_reader.read_rows``.
        """
        examination = Examination(context, registry, sink)
        if examination.readable:
            with self._open() as (_, rows):
                await self._feed("validate", rows, examination.see)
        return await in_thread(examination.end)

    async def batches(self, context: Context) -> AsyncGenerator[tuple[Values, ...]]:
        """The rows, typed, in batches; the file was found good before.

        Raises:
            Conflict: It is no longer good.
            MusterError: As ``ingest.csv_reader.read_rows``.
        """
        parser = context.row_parser()

        def batch(rows: Iterator[Row]) -> tuple[Values, ...]:
            records = [parser.parse(row) for row in islice(rows, self._batch_rows)]
            if any(record.faults for record in records):
                raise self._changed()
            return tuple(whole(record) for record in records)

        done = 0
        with self._open() as (header, rows):
            if header != tuple(context.header):
                raise self._changed()
            while values := await in_thread(batch, rows):
                yield values
                done += len(values)
                self._progress("store", done)

    async def _feed(self, step: str, rows: Iterator[Row], see: Callable[[Iterable[Row]], None]) -> None:
        done = 0
        while chunk := await in_thread(lambda: tuple(islice(rows, _CHUNK))):
            await in_thread(see, chunk)
            done += len(chunk)
            self._progress(step, done)

    @contextmanager
    def _open(self) -> Iterator[tuple[tuple[str, ...], Iterator[Row]]]:
        rows = read_rows(self._path, self._options)
        try:
            yield tuple(next(rows).cells), rows
        finally:
            rows.close()

    def _changed(self) -> Conflict:
        return Conflict(f"{self._path} changed while it was read; run again", code="source.changed")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``function`` in a thread. Cancelled, it waits for the thread, so that nothing works on behind our back."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
