"""The header of a model file: plain assignments at its top level, read with ``ast``.

::

    framework = "sklearn"
    category = "tabular_classification"
    main_method = "build"            # or main_class; returns the model. Called with nothing but those of
                                     # features (columns) and outputs (classes; 1 for a number) that it names
    num_feature_points: int = 30     # optional, like all in ``variables`` that the category does not need

    def build():
        return LogisticRegression()

Nothing of the file runs, so anybody may look at it safely. Only a worker runs it.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from training.contract.variables import BY_NAME, CATEGORIES, MODEL_TYPES, OFFERED, VARIABLES, Kind, Variable
from training.errors import TrainingError, model_error
from training.suggestions import known_or_nearest

MAX_BYTES: Final = 1024 * 1024
_LARGEST: Final = 2**31 - 1
_LONGEST: Final = 200
_NEAR: Final = 0.8
"""How alike two names must be for one to be the other, misspelt (``difflib``'s ratio)."""
_ENTRIES: Final = ("main_method", "main_class")


@dataclass(frozen=True)
class Header:
    """What a model file says about itself; numbers that it does not say are ``None``, texts are empty.

    Attributes:
        entry: Name of the function or class that makes the model.
    """

    framework: str
    category: str
    entry: str
    model_type: str = ""
    batch_size: int | None = None
    output_classes: int | None = None
    num_feature_points: int | None = None
    image_size: int | None = None
    sequence_length: int | None = None
    forecast_horizon: int | None = None
    vocab_size: int | None = None
    input_shape: tuple[int, ...] | None = None
    license: str = ""

    @property
    def said(self) -> frozenset[str]:
        """Names of the variables that the file has, but for those that name the entry."""
        return frozenset(v.name for v in VARIABLES if getattr(self, v.name, None) not in {None, ""})


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


def read_header(source: bytes, name: str = "the model file") -> Header:
    """The header of a model file, which is parsed and not run.

    Args:
        source: The file's content.
        name: How to call it in errors.

    Raises:
        TrainingError: Too large, not Python, or a header that is wrong; the message names the line and the fix.
    """
    tree = parsed(source, name)
    values = _values(tree, name)
    _check_spelling(tree, values, name)
    for wanted in ("framework", "category"):
        if wanted not in values:
            raise _missing(BY_NAME[wanted], name)
    entry = _entry(tree, values, name)
    return Header(entry=entry, **{key: value for key, value in values.items() if key not in _ENTRIES})


def is_main(tree: ast.Module) -> bool:
    """Whether a file is one with a header: it assigns ``framework`` at its top level."""
    return any(name == "framework" for name, _, _ in _assigned(tree))


def check_header(header: Header, *, frameworks: Collection[str], categories: Collection[str], name: str) -> None:
    """Check that a header names what this installation has, and says what its category needs.

    Args:
        header: The header.
        frameworks: What is known here.
        categories: What this version trains.
        name: How to call the file in errors.

    Raises:
        TrainingError: An unknown framework, category or model type; a variable too many or one too few.
    """
    if header.framework not in frameworks:
        raise _unknown(name, "framework", header.framework, frameworks)
    if header.category not in categories:
        if header.category in CATEGORIES:
            raise model_error(
                "contract.later",
                f"{name} is for {header.category}, which this version does not train yet; expected one of "
                f"{', '.join(sorted(categories))}",
            )
        raise _unknown(name, "category", header.category, categories)
    types = MODEL_TYPES.get(header.framework, ())
    if header.model_type and types and header.model_type not in types:
        raise model_error(
            "model.type",
            f"{name} declares the model_type {header.model_type!r}, which {header.framework} does not have; "
            f"{known_or_nearest(header.model_type, types)}",
        )
    for variable in VARIABLES:
        said = variable.name in header.said
        if said and not variable.fits(header.category):
            raise model_error(
                "contract.unused",
                f"{name} says {variable.name}, which means nothing for {header.category}: remove that line",
            )
        if not said and variable.is_needed(header.category, header.framework):
            raise _missing(variable, name)


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None, int]]:
    """Name, value and line of the plain assignments at the top level."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value, node.lineno
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.value, node.lineno


def _values(tree: ast.Module, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    plain = set()
    for variable, node, line in _assigned(tree):
        if variable not in BY_NAME:
            continue
        if variable in found:
            raise model_error(
                "contract.twice",
                f"{name}, line {line}: {variable} was set in line {lines[variable]} already: keep one of the two",
            )
        found[variable], lines[variable] = _value(BY_NAME[variable], node, f"{name}, line {line}"), line
        plain.add((variable, line))
    for variable, line in _stored(tree.body):
        if variable in BY_NAME and (variable, line) not in plain:
            raise _computed(BY_NAME[variable], f"{name}, line {line}")
    return found


def _stored(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """All names that the module itself binds, other than by functions and classes, and where."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id, node.lineno
        waiting += ast.iter_child_nodes(node)


def _value(variable: Variable, node: ast.expr | None, where: str) -> Any:  # noqa: ANN401 - of the variable's kind
    try:
        value = ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise _computed(variable, where) from None
    if value is None:
        raise _computed(variable, where)
    if variable.kind is Kind.SHAPE and isinstance(value, tuple | list) and value and all(map(_is_count, value)):
        return tuple(value)
    if variable.kind is Kind.COUNT and _is_count(value):
        return value
    if variable.kind is Kind.TEXT and isinstance(value, str) and value.isprintable() and 0 < len(value) <= _LONGEST:
        return value
    raise model_error(
        "contract.value", f"{where}: {variable.name} is {repr(value)[:60]}; expected {variable.kind.value}"
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= _LARGEST


def _check_spelling(tree: ast.Module, values: Mapping[str, Any], name: str) -> None:
    """What looks like a variable that is missing, and holds a plain value, is one that was misspelt."""
    missing = [variable for variable in BY_NAME if variable not in values]
    for found, node, line in _assigned(tree):
        if found in BY_NAME or not isinstance(node, ast.Constant):
            continue
        for near in difflib.get_close_matches(found, missing, n=1, cutoff=_NEAR):
            raise model_error(
                "contract.misspelt", f"{name}, line {line}: {found} means nothing; did you mean {near!r}?"
            )


def _entry(tree: ast.Module, values: Mapping[str, Any], name: str) -> str:
    named = [key for key in _ENTRIES if key in values]
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


def _missing(variable: Variable, name: str) -> TrainingError:
    return model_error(
        "contract.missing",
        f"{name} has no {variable.name} ({variable.meaning}): expected a line {variable.name} = ... at its top level, "
        f"with {variable.kind.value}",
    )


def _computed(variable: Variable, where: str) -> TrainingError:
    return model_error(
        "contract.computed",
        f"{where}: {variable.name} must be written out, in a line of its own at the top level, since the file is read "
        f"and not run: {variable.kind.value}",
    )


def _unknown(name: str, what: str, value: str, known: Collection[str]) -> TrainingError:
    return model_error(
        "model.contract", f"{name} declares the {what} {value!r}, which is not known; {known_or_nearest(value, known)}"
    )
