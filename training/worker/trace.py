"""Where in the code a worker failed: what leaves the site of a traceback, which is less than one would like.

The vendor's code may try to carry rows out in it: in names of files (``compile(row, row, "exec")``), of functions and
of exceptions, all of which can be made up while a program runs. So the worker only proposes, with ``taken``, and the
daemon, in which no code of the vendor runs, lets pass with ``redacted``:

* a frame of the model file, or of one beside it: its line, and its function if that source has a ``def`` of that name
* a frame of an installed file: its path below the folder of packages, its line, and its function, on the same terms
* the exception's type, if it is built in, or if its class stands in the submitted source or in the module it names
* ``<other>`` for everything else

and of these the first few and the last several. Never a message, a line of source, a value or an absolute path. Which
of the possible lines is named can still be chosen by hostile code: a few hundred bits for each failure that it causes.
The definitions are found with a regular expression: a hostile file can make ``ast.parse`` use far more memory than it
has bytes, and that would be the daemon's.
"""

from __future__ import annotations

import builtins
import keyword
import re
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

import training
from training.contract.archive import PYTHON
from training.contract.loading import LOSS_MODULE, MODULE
from training.worker.config import MODEL

OTHER: Final = "<other>"
CUT: Final = "..."
"""Stands for the frames that are left out."""
FIRST: Final = 3
LAST: Final = 8

_MAX_SOURCE_BYTES: Final = 2 * 1024 * 1024
_MAX_CAUSES: Final = 8
_Text = Annotated[str, Field(max_length=300)]
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_FILE: Final = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}/){0,11}[A-Za-z0-9_][A-Za-z0-9_]{0,63}\.py")
_FUNCTION: Final = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE | re.ASCII)
_CLASS: Final = re.compile(r"^[ \t]*class[ \t]+(\w+)", re.MULTILINE | re.ASCII)
_UNNAMED: Final = frozenset({"<module>", "<lambda>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"})


class Frame(BaseModel):
    """A frame as the worker says it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    file: _Text
    """Relative to the folder it was imported from."""
    line: int
    function: _Text


class Said(BaseModel):
    """A traceback as the worker says it, outermost frame first."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    error: _Text
    """Module and name of the exception's class."""
    frames: list[Frame] = Field(max_length=FIRST + LAST)
    cut: bool = False
    """Whether frames are missing behind the first few."""


def taken(error: BaseException, model: Path) -> Said | None:
    """What a worker says about an exception; ``None`` if even that fails: hostile classes can make anything fail.

    Args:
        error: What was raised; its causes say more about where it comes from than itself.
        model: The model file.
    """
    try:
        for _ in range(_MAX_CAUSES):
            if error.__cause__ is None:
                break
            error = error.__cause__
        frames = list(_frames(error.__traceback__, model))
        cut = len(frames) > FIRST + LAST
        kind = type(error)
        return Said(
            error=f"{kind.__module__}.{kind.__name__}"[:300],
            frames=frames[:FIRST] + frames[-LAST:] if cut else frames,
            cut=cut,
        )
    except Exception:  # noqa: BLE001 - why the work failed must be said, with a traceback or without
        return None


def redacted(said: Said, sources: Mapping[str, str]) -> tuple[str, ...]:
    """What may leave of it, a line for each frame and, last, the exception's type.

    Args:
        said: By the worker.
        sources: Name -> content of the submitted Python files.
    """
    model = {name: definitions(source) for name, source in sources.items()}
    lines = [_frame(frame, model) for frame in said.frames]
    if said.cut:
        lines.insert(FIRST, CUT)
    return (*(line for line, _ in groupby(lines)), _kind(said.error, model))


@dataclass(frozen=True)
class Definitions:
    """What a file defines, as far as its lines tell.

    Attributes:
        functions: Names behind ``def``.
        classes: Names behind ``class``.
        lines: Number of lines.
    """

    functions: frozenset[str]
    classes: frozenset[str]
    lines: int


def definitions(source: str) -> Definitions:
    """The definitions in a source."""
    functions, classes = (frozenset(filter(_usable, pattern.findall(source))) for pattern in (_FUNCTION, _CLASS))
    return Definitions(functions, classes, source.count("\n") + 1)


def _frames(last: TracebackType | None, model: Path) -> Iterator[Frame]:
    roots = sorted((path for path in sys.path if path), key=len, reverse=True)
    for frame, line in traceback.walk_tb(last):
        name = frame.f_code.co_filename
        if Path(name) == model:
            name = MODEL
        else:
            below = next((root for root in roots if name.startswith(root.rstrip("/") + "/")), None)
            name = OTHER if below is None else name[len(below.rstrip("/")) + 1 :]
        yield Frame(file=name[:300], line=line or 0, function=frame.f_code.co_name[:300])


def _frame(frame: Frame, model: Mapping[str, Definitions]) -> str:
    found = model.get(frame.file) or _installed(frame.file)
    if found is None or not 1 <= frame.line <= found.lines:
        return OTHER
    function = frame.function if frame.function in found.functions | _UNNAMED else OTHER
    return f"{frame.file}:{frame.line} in {function}"


def _kind(error: str, model: Mapping[str, Definitions]) -> str:
    module, _, name = error.rpartition(".")
    if not _usable(name) or not all(map(_usable, module.split("."))):
        return OTHER
    if module == builtins.__name__:
        kind = getattr(builtins, name, None)
        return name if isinstance(kind, type) and issubclass(kind, BaseException) else OTHER
    if module in {MODULE, LOSS_MODULE} or f"{module}{PYTHON}" in model:
        return name if any(name in file.classes for file in model.values()) else OTHER
    path = module.replace(".", "/")
    files = (f"{path}.py", f"{path}/__init__.py")
    return error if any(name in found.classes for file in files if (found := _installed(file))) else OTHER


def _usable(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not keyword.iskeyword(name)


@lru_cache(maxsize=256)
def _installed(file: str) -> Definitions | None:
    """What a file of Python, of an installed package or of this one defines; ``None`` if there is no such file."""
    if not _FILE.fullmatch(file):
        return None
    roots = (_own(),) if file.startswith(f"{training.__name__}/") else _packages()
    for root in roots:
        path = root / file
        if path.is_file() and path.stat().st_size <= _MAX_SOURCE_BYTES:
            return definitions(path.read_text(encoding="utf-8", errors="replace"))
    return None


def _own() -> Path:
    return Path(training.__file__).resolve().parents[1]


@cache
def _packages() -> tuple[Path, ...]:
    """Folders of Python's own modules and of installed packages, the same for daemon and worker."""
    known = sysconfig.get_paths()
    named = [known[name] for name in ("purelib", "platlib", "stdlib", "platstdlib")]
    return tuple(dict.fromkeys(map(Path, [*named, *site.getsitepackages()])))
