"""Running a model file. Only a worker may do this."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

from training.contract.archive import PYTHON
from training.contract.header import Header
from training.contract.loss_file import ENTRY
from training.errors import TrainingError, described, model_error

MODULE: Final = "vendor_model"
"""Name of the main file as a module."""
LOSS_MODULE: Final = "vendor_loss"
"""Name of a loss file as a module."""


def load_model(path: Path, header: Header) -> Callable[..., Any]:
    """Run the model file and return what makes the model.

    Raises:
        TrainingError: The file cannot be imported, or what it names cannot be called.
    """
    return _callable(_run(MODULE, path, "the model file"), header.entry, "model.contract", "the model file")


def load_loss(path: Path) -> Callable[..., Any]:
    """Run a loss file and return its function.

    Raises:
        TrainingError: The file cannot be imported, or has none that can be called.
    """
    what = f"the loss file {path.name}"
    return _callable(_run(LOSS_MODULE, path, what), ENTRY, "loss.file", what)


def _run(name: str, path: Path, what: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except TrainingError:
        raise
    except SystemExit as error:
        raise _ends(what, "while it is imported") from error
    except Exception as error:
        raise model_error("model.import", f"{what} does not import: {described(error)}") from error
    return module


def _callable(module: ModuleType, name: str, code: str, what: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        raise model_error(code, f"{what} defines no {name!r} that can be called")
    entry: Callable[..., Any] = found
    return entry


def beside(folder: Path, files: Mapping[str, bytes]) -> None:
    """Let the files of a folder be imported by their names.

    Raises:
        TrainingError: A package that is installed here has the name of one of them.
    """
    for file in files:
        if PathFinder.find_spec(file.removesuffix(PYTHON), sys.path) is not None:
            raise model_error(
                "archive.name", f"the model brings {file!r}, and a package of that name is installed: rename the file"
            )
    sys.path.append(str(folder))


def make(entry: Callable[..., Any], offered: Mapping[str, int]) -> Any:  # noqa: ANN401 - whatever it makes
    """Call what makes the model, with those of ``offered`` that its signature names.

    Raises:
        TrainingError: It fails.
    """
    try:
        named = inspect.signature(entry).parameters
    except (TypeError, ValueError):
        named = MappingProxyType({})
    called = f"{getattr(entry, '__name__', 'the model')}()"
    try:
        return entry(**{name: value for name, value in offered.items() if name in named})
    except SystemExit as error:
        raise _ends("the model file", f"in {called}") from error
    except TrainingError:
        raise
    except Exception as error:
        raise model_error("model.make", f"{called} failed: {described(error)}") from error


def _ends(what: str, where: str) -> TrainingError:
    return model_error("model.exit", f"{what} ends the process {where}: remove sys.exit, exit and quit")
