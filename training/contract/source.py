"""A Python file as it is written: its syntax tree, and what its top level assigns. Nothing of it runs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Final

from training.errors import model_error

MAX_BYTES: Final = 1024 * 1024


def parsed(source: bytes, name: str) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        TrainingError: It is too large, or not Python.
    """
    if len(source) > MAX_BYTES:
        raise model_error("model.size", f"{name} has {len(source)} bytes; at most {MAX_BYTES} are allowed")
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(source)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        raise model_error("model.syntax", f"{name}{where} is not Python: {error.msg}") from error
    except ValueError as error:
        raise model_error("model.syntax", f"{name} is not Python: it contains a null byte") from error
    except (RecursionError, MemoryError) as error:
        raise model_error("model.syntax", f"{name} is nested too deeply to be read") from error


def is_main(tree: ast.Module) -> bool:
    """Whether a file is one with a header: it assigns ``framework`` at its top level."""
    return any(name == "framework" for name, _, _ in assigned(tree))


def assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None, int]]:
    """Name, value and line of the plain assignments at the top level."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value, node.lineno
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.value, node.lineno


def stored(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """All names that the module itself binds, other than by functions and classes, and where."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id, node.lineno
        waiting += ast.iter_child_nodes(node)
