"""The command line as a user has it: real processes, exit codes, JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MUSTER = str(Path(sys.executable).parent / "muster")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        (line,) = self.out.splitlines()
        found = json.loads(line)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Terminal:
    """Runs commands in one folder, against one federation."""

    folder: Path
    federation: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {"COLUMNS": "200", "NO_COLOR": "1"}
        if self.federation is not None:
            own["MUSTER_FEDERATION"] = str(self.federation)
        return {**os.environ, **own}

    async def __call__(self, *arguments: str | Path, timeout_s: float = 120) -> Done:
        process = await asyncio.create_subprocess_exec(
            MUSTER,
            *map(str, arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def succeed(self, *arguments: str | Path, timeout_s: float = 120) -> dict[str, Any]:
        """Run with ``--json``; it must end well."""
        done = await self(*arguments, "--json", timeout_s=timeout_s)
        assert done.status == 0, done
        return done.json

    async def fail(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run with ``--json``; it must fail with a reason. Returns status, code and message."""
        done = await self(*arguments, "--json")
        assert done.status != 0, done
        error = done.json["error"]
        assert "Traceback" not in done.err, done.err
        return done.status, error["code"], error["message"]

    @asynccontextmanager
    async def up(self, *arguments: str | Path) -> AsyncIterator[dict[str, Any]]:
        """``muster up``, until the block ends; gives what it says when it is ready."""
        process = await asyncio.create_subprocess_exec(
            MUSTER,
            "up",
            *map(str, arguments),
            "--json",
            cwd=self.folder,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                line = await process.stdout.readline()
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                status = await process.wait()
        assert status == 0
