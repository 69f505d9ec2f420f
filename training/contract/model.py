"""A model as it was submitted: one Python file, or a flat zip of several. The same bytes travel and are digested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.contract.archive import PYTHON, WEIGHTS, is_archive, read_archive
from training.contract.header import Header, read_header
from training.contract.source import is_main, parsed
from training.errors import model_error

SINGLE: Final = "model.py"
"""How the file of a model of one file is called in a worker."""


@dataclass(frozen=True)
class ModelFile:
    """A model's files, none of which has run.

    Attributes:
        main: Name of the file with the header.
        sources: Name -> content of all Python files.
        header: What the main file says.
        weights: Content of the weights file among them, if there is one.
        zipped: Whether it is a zip, whose files have to be put somewhere to run.
    """

    main: str
    sources: Mapping[str, bytes]
    header: Header
    weights: bytes | None = None
    zipped: bool = False

    def place(self, folder: Path) -> Path:
        """Write the Python files to a folder, which is made; returns the path of the main one."""
        folder.mkdir(mode=0o700)
        for name, content in self.sources.items():
            (folder / name).write_bytes(content)
        return folder / self.main


def sources_of(data: bytes, name: str = "the model file") -> dict[str, bytes]:
    """Name -> content of a model's Python files, without a look at what is in them.

    Raises:
        TrainingError: It is a zip that is refused.
    """
    if not is_archive(data):
        return {SINGLE: data}
    return {file: content for file, content in read_archive(data, name).items() if file.endswith(PYTHON)}


def read_model(data: bytes, name: str = "the model file") -> ModelFile:
    """A model from the bytes that were submitted; nothing of it runs.

    Args:
        data: Of the ``.py`` or ``.zip``.
        name: How to call it in errors.

    Raises:
        TrainingError: Its header is wrong, or it is a zip that is refused.
    """
    if not is_archive(data):
        return ModelFile(SINGLE, {SINGLE: data}, read_header(data, name))
    files = read_archive(data, name)
    sources = {file: content for file, content in files.items() if file.endswith(PYTHON)}
    mains = [file for file, content in sources.items() if is_main(parsed(content, f"{file} in {name}"))]
    if len(mains) != 1:
        found = f"has {len(mains)} of them: {', '.join(mains)}" if mains else "has none"
        raise model_error(
            "archive.main", f"{name} {found}: expected exactly one file with a header, i.e. a line framework = ..."
        )
    weights = {file: content for file, content in files.items() if file.endswith(WEIGHTS)}
    wanted = mains[0].removesuffix(PYTHON) + WEIGHTS
    if weights.keys() - {wanted}:
        raise model_error(
            "archive.name", f"{name} holds {', '.join(weights)}: expected at most one file of weights, {wanted}"
        )
    header = read_header(sources[mains[0]], f"{mains[0]} in {name}")
    return ModelFile(mains[0], sources, header, weights.get(wanted), zipped=True)
