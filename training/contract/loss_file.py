"""A loss of the vendor's own: one function in a file that travels with the model. Nothing of it runs here."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from training.contract.archive import added, is_archive
from training.contract.model import SINGLE, read_model, sources_of
from training.contract.source import parsed
from training.errors import TrainingError, model_error
from training.losses import LossFile

ENTRY: Final = "loss"
"""Name of the function."""
_ARGUMENTS: Final = 2


def packed(model: bytes, loss: LossFile, folder: Path) -> bytes:
    """The model with the loss file among its files, as it travels and is digested: a zip, if it was none.

    Args:
        model: Of the ``.py`` or ``.zip``.
        loss: What the plan says.
        folder: Where the plan lies.

    Raises:
        TrainingError: The file is not there, or cannot be what it has to be.
    """
    name, beside = f"the loss file {loss.name}", folder / loss.file
    zipped = is_archive(model)
    inside = sources_of(model).get(loss.name) if zipped else None
    if not beside.is_file():
        if inside is None:
            raise _wrong(f"{name} is not there: expected it at {beside}, or in the model's zip")
        check_loss(inside, name)
        return model
    if inside is not None:
        raise _wrong(f"{name} is in the model's zip, and at {beside}: leave one of them out")
    if not zipped and loss.name == SINGLE:
        raise _wrong(f"{name} cannot be called as the model file is on its way: rename it")
    try:
        content = beside.read_bytes()
    except OSError as error:
        raise _wrong(f"{name} cannot be read ({error.strerror}): expected it at {beside}") from error
    check_loss(content, name)
    whole = added(model if zipped else added(b"", SINGLE, model), loss.name, content)
    # As every edge will: what is wrong with its name, or too large together, is found here.
    read_model(whole, f"the model with {name}")
    return whole


def check_loss(source: bytes, name: str) -> None:
    """Check that a file defines what is to be made small, as far as that can be seen.

    Args:
        source: Its content.
        name: How to call it in errors.

    Raises:
        TrainingError: It is not Python, or has no such function.
    """
    for node in parsed(source, name).body:
        if isinstance(node, ast.FunctionDef) and node.name == ENTRY:
            if not node.decorator_list and not _takes_two(node.args):
                raise _wrong(f"{name}, line {node.lineno}: expected def {ENTRY}(outputs, targets), with two arguments")
            return
    raise _wrong(f"{name} defines no function {ENTRY}: expected def {ENTRY}(outputs, targets) at its top level")


def _takes_two(arguments: ast.arguments) -> bool:
    """Whether a function can be called with two values."""
    plain = len(arguments.posonlyargs) + len(arguments.args)
    enough = plain >= _ARGUMENTS or arguments.vararg is not None
    return enough and plain - len(arguments.defaults) <= _ARGUMENTS and all(arguments.kw_defaults)


def _wrong(problem: str) -> TrainingError:
    return model_error("loss.file", problem)
