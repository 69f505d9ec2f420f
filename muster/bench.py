"""An edge's jobs, done again at its site: ``python -m edge_daemon.retrain`` as a child process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Self

from pydantic import ValidationError

from bus.errors import Configuration, MusterError
from bus.events.base import Digest
from edge_daemon.domain.retraining import Answer, Question
from muster.federation.layout import Layout

_MAX_LINE_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Bench:
    """A site that answers questions; made by ``opened``.

    Attributes:
        edge: Whose site.
        environment: Of what is computed there.
    """

    edge: str
    environment: Digest
    _process: asyncio.subprocess.Process
    _log: str

    @classmethod
    @asynccontextmanager
    async def opened(cls, layout: Layout, edge: str) -> AsyncIterator[Self]:
        """The site of ``edge`` in a federation's directory.

        Raises:
            Configuration: Its settings or keys are not here, or workers cannot be kept in.
            MusterError: The process ended without an answer.
        """
        settings, log = layout.settings(edge), layout.log(f"retrain-{edge}")
        if not settings.is_file():
            raise Configuration(f"its settings are not here: there is no {settings}", code="retrain.settings")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "edge_daemon.retrain", "--settings", str(settings)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=_MAX_LINE_BYTES,
            )
        try:
            greeting = await _answer(process, str(log))
            if greeting.environment is None:
                raise Configuration(greeting.problem or "it does not say why", code="retrain.site")
            yield cls(edge, greeting.environment, process, str(log))
        finally:
            # It ends with its input, whatever it does just then, and clears up what it has written.
            assert process.stdin is not None
            process.stdin.close()
            await asyncio.shield(process.wait())

    async def ask(self, question: Question) -> Answer:
        """What the site answers.

        Raises:
            MusterError: The process ended without an answer.
        """
        assert self._process.stdin is not None
        with suppress(ConnectionError):
            self._process.stdin.write(question.model_dump_json(exclude_none=True).encode() + b"\n")
            await self._process.stdin.drain()
        return await _answer(self._process, self._log)


async def _answer(process: asyncio.subprocess.Process, log: str) -> Answer:
    assert process.stdout is not None
    try:
        return Answer.model_validate_json(await process.stdout.readline())
    except (ValidationError, ValueError) as error:
        raise MusterError(
            f"the process that does the edge's jobs again ended without an answer: see {log}, then run it again",
            code="retrain.died",
        ) from error
