"""Reads CSV files row by row, in constant memory, and says where one is broken.

Strict: what could be read in two ways is refused. A line is what ends with a line feed (with or without a carriage
return); a quoted cell may span lines. Empty lines are passed over. Error messages hold places, never contents.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Final

from pydantic import BaseModel, ConfigDict, field_validator

from bus.errors import Configuration, Invalid, NotFound, Unavailable
from ingest.domain.records import Row

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""A longer line is taken for a file that is no CSV; bounds memory."""
MAX_CELL: Final = 128 * 1024
"""Characters in a cell: the ``csv`` module's own limit. Mostly it means a quote that is never closed."""

_ASCII: Final = bytes(range(128))
_WIDE_BOMS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class CsvOptions(BaseModel):
    """How the file is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiter: str = ","
    """One character between cells, e.g. ``;`` or a tab."""
    quotechar: str = '"'
    """One character around cells; doubled within a cell it stands for itself."""
    encoding: str = "utf-8"
    """Any in which ASCII is ASCII, e.g. ``cp1252``. A byte order mark of UTF-8 is passed over."""
    null_tokens: tuple[str, ...] = ()
    """Cells that mean a missing value, besides the empty one, e.g. ``NA``; compared exactly."""
    skip_initial_space: bool = False
    """Whether spaces behind a delimiter are not part of the cell."""

    @field_validator("delimiter", "quotechar")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if len(value) != 1 or value in "\r\n\0":
            raise ValueError("expected one character that is no line end")
        return value

    @field_validator("encoding")
    @classmethod
    def _like_ascii(cls, value: str) -> str:
        try:
            like = _ASCII.decode(value) == _ASCII.decode("ascii")
        except LookupError as error:
            raise ValueError("expected the name of a text encoding, e.g. utf-8 or cp1252") from error
        except UnicodeError:
            like = False
        if not like:
            raise ValueError("expected an encoding in which ASCII is ASCII; convert the file: iconv -t utf-8")
        return value


def read_rows(path: Path, options: CsvOptions) -> Generator[Row]:
    """All records of the file; the first is the header. Close the generator to close the file.

    Raises:
        NotFound: There is no such file.
        Configuration: It may not be read.
        Invalid: It is no regular file, it is empty, or it is broken at a line that the message names.
        Unavailable: Reading failed.
    """
    if not path.exists():
        raise NotFound(f"there is no file {path}; check the source path", code="source.missing")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not a regular file"
        raise Invalid(f"{path} is {what}: expected a CSV file, which is read more than once", code="source.kind")
    try:
        with path.open("rb") as file:
            yield from _records(file, path, options)
    except PermissionError as error:
        raise Configuration(f"{path} may not be read by this user: change its rights", code="source.rights") from error
    except OSError as error:
        raise Unavailable(f"reading {path} failed: {error.strerror}", code="source.read") from error


def _records(file: IO[bytes], path: Path, options: CsvOptions) -> Iterator[Row]:
    reader = csv.reader(
        _lines(file, path, options.encoding),
        delimiter=options.delimiter,
        quotechar=options.quotechar,
        skipinitialspace=options.skip_initial_space,
        strict=True,
    )
    some = False
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise Invalid(f"{path}, line {line}: {_reason(error)}", code="source.csv") from error
        if cells:
            some = True
            yield Row(line, cells)
    if not some:
        raise Invalid(f"{path} is empty: expected a header line and records", code="source.empty")


def _lines(file: IO[bytes], path: Path, encoding: str) -> Iterator[str]:
    offset = number = 0
    while raw := file.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            raw, offset = _without_mark(raw, path)
        if len(raw) >= MAX_LINE_BYTES:
            most = f"{MAX_LINE_BYTES} bytes"
            raise Invalid(f"{path}, line {number} has more than {most}: is this a CSV file?", code="source.line")
        if b"\0" in raw:
            at = offset + raw.index(b"\0")
            raise Invalid(
                f"{path}, line {number} holds a NUL byte at byte {at}: is this a text file? If it is in UTF-16, "
                "convert it: iconv -f utf-16 -t utf-8",
                code="source.nul",
            )
        yield _decoded(raw, encoding, path, number, offset)
        offset += len(raw)


def _without_mark(raw: bytes, path: Path) -> tuple[bytes, int]:
    """The first line without a byte order mark, and the offset at which it starts."""
    if raw.startswith(_WIDE_BOMS):
        raise Invalid(f"{path} is in UTF-16; convert it: iconv -f utf-16 -t utf-8", code="source.encoding")
    if raw.startswith(codecs.BOM_UTF8):
        return raw.removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
    return raw, 0


def _decoded(raw: bytes, encoding: str, path: Path, number: int, offset: int) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise Invalid(
            f"{path}, line {number}, byte {offset + error.start} of the file is not {encoding}: "
            "set csv_options.encoding (often cp1252), or convert the file to utf-8",
            code="source.encoding",
        ) from error


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "field limit" in text:
        return f"a cell of more than {MAX_CELL} characters; is a quote not closed?"
    if "new-line" in text:
        return "a carriage return without a line feed; convert the line ends (dos2unix -c mac)"
    if "unexpected end" in text:
        return "a quoted cell is never closed"
    return "characters behind a closing quote; inside a quoted cell, quotes are doubled"
