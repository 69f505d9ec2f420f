"""What makes the model: the function or class that a header names, as far as it can be seen without running it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final

from training.contract.variables import OFFERED
from training.errors import model_error
from training.suggestions import known_or_nearest

ENTRIES: Final = ("main_method", "main_class")


def find_entry(tree: ast.Module, values: Mapping[str, Any], name: str) -> str:
    """The name of what makes the model.

    Args:
        tree: Of the file.
        values: What its header says.
        name: How to call the file in errors.

    Raises:
        TrainingError: None or two are named, it is not there, or it needs arguments that nobody gives.
    """
    named = [key for key in ENTRIES if key in values]
    if len(named) != 1:
        raise model_error(
            "contract.entry",
            f"{name} has {'both' if named else 'neither'} main_method and main_class: expected exactly one, which "
            "names the function or class that makes the model",
        )
    entry: str = values[named[0]]
    kind = ast.FunctionDef if named[0] == "main_method" else ast.ClassDef
    what = "function" if kind is ast.FunctionDef else "class"
    for node in tree.body:
        if isinstance(node, kind) and node.name == entry:
            _check_arguments(node, f"{name}, line {node.lineno}: {entry}")
            return entry
    if entry not in _imported(tree):
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        raise model_error(
            "contract.entry",
            f"{name} defines no {what} {entry!r} as {named[0]} says; {known_or_nearest(entry, defined)}",
        )
    return entry


def _imported(tree: ast.Module) -> set[str]:
    """Names that come from other files."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _check_arguments(node: ast.FunctionDef | ast.ClassDef, where: str) -> None:
    """Check that the entry can be called with what is offered, as far as it can be seen."""
    if isinstance(node, ast.ClassDef):
        makers = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        if not makers or makers[0].decorator_list or node.decorator_list:
            return
        arguments, skip = makers[0].args, 1
    elif node.decorator_list:
        return
    else:
        arguments, skip = node.args, 0
    plain = [*arguments.posonlyargs, *arguments.args]
    required = [each.arg for each in plain[skip : len(plain) - len(arguments.defaults)]]
    only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    required += [each.arg for each, default in only if default is None]
    # A place before the slash cannot be called by its name.
    by_place = {each.arg for each in arguments.posonlyargs[skip:]}
    if wrong := [each for each in required if each not in OFFERED or each in by_place]:
        raise model_error(
            "contract.arguments",
            f"{where} cannot be made without {', '.join(wrong)}: it is called with nothing but "
            f"{' and '.join(OFFERED)}, where it names them; give the others a default",
        )
