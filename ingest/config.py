"""Settings of one ingest: from a YAML file, or built in code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from bus.errors import Configuration, Invalid
from bus.events.base import DatasetId
from bus.suggestions import did_you_mean
from bus.wire.subjects import token
from ingest.csv_reader import CsvOptions
from ingest.domain.loading import Mode
from ingest.domain.profile import Category, Split
from ingest.domain.schema import Column

_PATHS: Final = ("train", "test", "report")


class IngestConfig(BaseModel):
    """The files of one dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    dataset: DatasetId
    """Name under which several sites hold the same kind of data: 1 to 64 letters, digits, ``-``, ``_``."""
    category: Category
    """What the data is meant for."""
    train: Path | None = None
    """The CSV file of the training part."""
    test: Path | None = None
    """The CSV file of the test part. Files that are named together come in together or not at all."""
    target: str
    """Name of the column to be learned."""
    store: SecretStr
    """URL of the owner's database; it may hold a password, so it is not shown."""
    columns: dict[str, str] = Field(default_factory=dict, alias="schema")
    """Column -> SQL type, e.g. ``{"age": "INT NOT NULL"}``. ``schema`` in files."""
    infer: bool = False
    """Whether the types of columns that ``schema`` does not name come from the data, or from the stored dataset."""
    ignore: frozenset[str] = frozenset()
    """Columns of the files that are left out."""
    csv_options: CsvOptions = CsvOptions()
    """How the files are written."""
    mode: Mode = Mode.CREATE
    """What to do when a part exists."""
    batch_size: int = Field(default=1000, ge=1, le=100_000)
    """Rows in a transaction. More is faster until about 1000 and takes more memory."""
    report: Path | None = None
    """Where records with errors are listed, one JSON object a line. It quotes cells: keep it at the site."""

    @field_validator("dataset")
    @classmethod
    def _name(cls, value: str) -> str:
        try:
            return token(value, "dataset name")
        except Invalid as error:
            raise ValueError(error.message) from error

    @model_validator(mode="after")
    def _consistent(self) -> IngestConfig:
        if not self.files:
            raise ValueError("expected a file: train, test, or both")
        if not self.columns and not self.infer:
            raise ValueError("expected a schema (column -> SQL type), or infer: true")
        both = sorted(self.ignore & self.columns.keys())
        if both:
            raise ValueError(f"columns both in the schema and ignored: {', '.join(map(repr, both))}")
        try:
            self.declared()
        except Invalid as error:
            raise ValueError(error.message) from error
        return self

    @property
    def files(self) -> dict[Split, Path]:
        """The files that are named, the training part first."""
        named = {Split.TRAIN: self.train, Split.TEST: self.test}
        return {split: path for split, path in named.items() if path is not None}

    def declared(self) -> dict[str, Column]:
        """The columns that ``schema`` names, in its order.

        Raises:
            Invalid: A name or a type is not usable.
        """
        return {name: Column.parse(name, text) for name, text in self.columns.items()}


def read_config(path: Path, **overrides: object) -> IngestConfig:
    """Settings from a YAML file; the paths in it are relative to the file's folder.

    Args:
        path: The file.
        **overrides: Settings that win over those of the file, e.g. ``store``.

    Raises:
        Configuration: The file cannot be read, or its settings are not usable; the message names each.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Configuration(f"the settings {path} cannot be read: {reason}", code="config.read") from error
    return parse_config(text, name=str(path), folder=path.parent, **overrides)


def parse_config(text: str, *, name: str, folder: Path, **overrides: object) -> IngestConfig:
    """Settings from YAML.

    Args:
        text: A mapping.
        name: What to call it in errors.
        folder: What the paths in it are relative to.
        **overrides: Settings that win over those of the text.

    Raises:
        Configuration: The settings are not usable; the message names each that is wrong.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}" if place is not None else ""
        raise Configuration(f"the settings {name}{where} are not YAML", code="config.yaml") from error
    if not isinstance(content, dict):
        raise Configuration(f"the settings {name} are no mapping: expected 'dataset: ...' etc.", code="config.yaml")
    for key in _PATHS:
        if isinstance(content.get(key), str):
            content[key] = folder / content[key]
    return make_config({**content, **overrides})


def make_config(settings: Mapping[str, Any]) -> IngestConfig:
    """Settings from a mapping.

    Raises:
        Configuration: They are not usable; the message names each that is wrong, and the nearest known name.
    """
    try:
        return IngestConfig.model_validate(dict(settings))
    except ValidationError as error:
        problems = [_problem(item["type"], item["loc"], item["msg"]) for item in error.errors(include_input=False)]
        message = f"the settings of the ingest are not usable: {'; '.join(problems)}"
        raise Configuration(message, code="config.invalid") from None  # the cause quotes the settings, and a password


def _problem(kind: str, location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(map(str, location)) or "settings"
    if kind == "extra_forbidden":
        model = CsvOptions if location[0] == "csv_options" else IngestConfig
        known = [field.alias or name for name, field in model.model_fields.items()]
        return f"{key} is not known; {did_you_mean(str(location[-1]), known)}"
    if kind == "missing":
        return f"{key} is missing"
    return f"{key}: {message.removeprefix('Value error, ')}"
