"""The model file: one Python file with a header that says what it is.

::

    framework = "sklearn"
    category = "tabular_classification"
    main_method = "build"            # or main_class; returns the model. Called with nothing but those of
                                     # features (columns) and outputs (classes; 1 for a number) that it names
    model_type = "linear"            # optional

    def build():
        return LogisticRegression()

The header is read without running the file, so that anybody may look at it safely. Only a worker runs it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from training.errors import TrainingError, model_error
from training.suggestions import known_or_nearest

MAX_BYTES: Final = 1024 * 1024
_FIELDS: Final = ("framework", "category", "main_method", "main_class", "model_type")
_MODULE: Final = "vendor_model"


@dataclass(frozen=True)
class Header:
    """What a model file says about itself.

    Attributes:
        framework: Name of a framework plug-in.
        category: Task category.
        entry: Name of the function or class that makes the model.
        model_type: Kind of model within the framework; empty if not said.
    """

    framework: str
    category: str
    entry: str
    model_type: str = ""


def read_header(source: bytes, name: str = "the model file") -> Header:
    """The header of a model file, which is parsed and not run.

    Args:
        source: The file's content.
        name: How to call it in errors.

    Raises:
        TrainingError: Too large, not Python, or without the header; the message says what is expected.
    """
    if len(source) > MAX_BYTES:
        raise model_error("model.size", f"{name} has {len(source)} bytes; at most {MAX_BYTES} are allowed")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else "it contains a null byte"
        raise model_error("model.syntax", f"{name}{where} is not Python: {what}") from error
    fields = _fields(tree, name)
    for wanted in ("framework", "category"):
        if wanted not in fields:
            raise _contract(name, f'has no {wanted}: expected a line like {wanted} = "..." at its top level')
    return Header(fields["framework"], fields["category"], _entry(tree, fields, name), fields.get("model_type", ""))


def check_header(header: Header, *, frameworks: Collection[str], categories: Collection[str], name: str) -> None:
    """Check that a header names what this installation has.

    Raises:
        TrainingError: An unknown framework or category.
    """
    for what, value, known in (("framework", header.framework, frameworks), ("category", header.category, categories)):
        if value not in known:
            raise _contract(
                name, f"declares the {what} {value!r}, which is not known; {known_or_nearest(value, known)}"
            )


def load_model(path: Path, header: Header) -> Callable[..., Any]:
    """Run the model file and return what makes the model. Only a worker may do this.

    Raises:
        TrainingError: The file cannot be imported, or what it names cannot be called.
    """
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except TrainingError:
        raise
    except Exception as error:
        raise model_error("model.import", f"the model file does not import: {described(error)}") from error
    entry = getattr(module, header.entry, None)
    if not callable(entry):
        raise _contract("the model file", f"defines no {header.entry!r} that can be called")
    made: Callable[..., Any] = entry
    return made


def make(entry: Callable[..., Any], offered: Mapping[str, int]) -> Any:  # noqa: ANN401 - whatever it makes
    """Call what makes the model, with those of ``offered`` that its signature names."""
    try:
        named = inspect.signature(entry).parameters
    except (TypeError, ValueError):
        named = MappingProxyType({})
    return entry(**{name: value for name, value in offered.items() if name in named})


def digest_of(source: bytes) -> str:
    """``sha256:...`` of a model file."""
    return f"sha256:{hashlib.sha256(source).hexdigest()}"


def described(error: BaseException) -> str:
    """One line about an exception of the vendor's code: its type and the first 300 characters of what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _fields(tree: ast.Module, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id in _FIELDS:
                if not isinstance(node.value, ast.Constant) or not isinstance(node.value.value, str):
                    raise _contract(name, f"line {node.lineno}: {target.id} must be a string, written out")
                found[target.id] = node.value.value
    return found


def _entry(tree: ast.Module, fields: dict[str, str], name: str) -> str:
    named = [key for key in ("main_method", "main_class") if key in fields]
    if len(named) != 1:
        raise _contract(
            name,
            f"has {'both' if named else 'neither'} main_method and main_class: expected exactly one, which names the "
            "function or class that makes the model",
        )
    entry = fields[named[0]]
    kind: tuple[type[ast.AST], ...] = (ast.FunctionDef,) if named[0] == "main_method" else (ast.ClassDef,)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if not any(isinstance(node, kind) and getattr(node, "name", "") == entry for node in tree.body):
        what = "function" if named[0] == "main_method" else "class"
        raise _contract(name, f"defines no {what} {entry!r} as {named[0]} says; {known_or_nearest(entry, defined)}")
    return entry


def _contract(name: str, problem: str) -> TrainingError:
    return model_error("model.contract", f"{name} {problem}")
