"""What every command shares: options, output, errors, the way to a federation."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType

from bus.errors import MusterError, treatment
from muster.client import Client, connect
from muster.errors.catalogue import of_error
from muster.federation.layout import Layout
from muster.telling.display import table as table  # commands take it from here

VARIABLE: Final = "MUSTER_FEDERATION"
INTERRUPTED: Final = 130

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, prose on standard error.")
]
Federation = Annotated[
    Path | None,
    typer.Option(
        "--federation",
        "-f",
        envvar=VARIABLE,
        help="The federation's directory. Without it: the current directory or one above.",
        show_default=False,
    ),
]
As = Annotated[
    str | None,
    typer.Option("--as", help="Speak as this principal. Without it: the federation's only vendor.", show_default=False),
]

T = TypeVar("T")


class Output:
    """Where results, prose and errors go.

    Args:
        as_json: One JSON object on standard output.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.prose = Console(stderr=True, highlight=False)
        self._results = Console(highlight=False)

    def say(self, text: str) -> None:
        """Prose: what happens."""
        self.prose.print(text)

    def result(self, content: dict[str, Any], *shown: RenderableType) -> None:
        """The outcome: ``content`` as JSON, or ``shown`` to a human."""
        if self.as_json:
            sys.stdout.write(json.dumps(content, default=_plain, ensure_ascii=False) + "\n")
            return
        for each in shown:
            self._results.print(each)

    def fail(self, error: MusterError, content: Mapping[str, Any] = MappingProxyType({})) -> None:
        """An error: as an object on standard output with JSON, and always as a sentence on standard error.

        Args:
            error: What is wrong.
            content: An outcome that is there all the same, for the same object.
        """
        entry = of_error(error.family, error.code)
        if self.as_json:
            facts = {"code": error.code, "number": entry.label, "message": error.message, "details": error.details}
            sys.stdout.write(json.dumps({**content, "error": facts}, default=_plain, ensure_ascii=False) + "\n")
        where = f"[dim]({entry.label} {error.code}; more: muster errors {entry.label})[/]"
        self.prose.print(f"[bold red]error[/] {_escaped(error.message)} {where}", soft_wrap=True)
        for line in str(error.details.get("trace") or "").splitlines():
            self.prose.print(f"    {_escaped(line)}", style="dim", soft_wrap=True)


class Frame:
    """One run of one command.

    Args:
        as_json: See ``Output``.
        federation: Directory that was named.
        principal: Whom to speak as.
    """

    def __init__(self, *, as_json: bool, federation: Path | None = None, principal: str | None = None) -> None:
        self.out = Output(as_json=as_json)
        self._federation = federation
        self._principal = principal

    @property
    def layout(self) -> Layout:
        """The federation that is meant.

        Raises:
            NotFound: There is none.
        """
        return Layout.find(self._federation or Path.cwd())

    def connect(self, principal: str | None = None) -> AbstractAsyncContextManager[Client]:
        """A connection to it; ``principal`` is whom to speak as unless somebody else was named."""
        return connect(self.layout, self._principal or principal)

    def run(self, work: Callable[[], Coroutine[Any, Any, int | None]]) -> None:
        """Run ``work`` and end the process with its status, or with that of its error."""
        try:
            status = asyncio.run(work())
        except MusterError as error:
            self.out.fail(error)
            raise typer.Exit(treatment(error).exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        if status:
            raise typer.Exit(status)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
