# ruff: noqa: E501
"""Models whose code does what it should not, in real workers: each is told what it did, and nothing is left of it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hostile.models import HEAD, MIB
from muster.submission.vetting import Subject, refusal, vet
from training.contract.report import Check, State, Step
from training.plan import Limits
from training.worker import sandbox
from training.worker.config import Config
from training.worker.sandbox import Isolation

ONLY_WALLED = pytest.mark.skipif(
    sandbox.available() is not Isolation.BUBBLEWRAP, reason="bubblewrap does not work on this machine"
)
LINEAR = "from sklearn.linear_model import LogisticRegression; return LogisticRegression()"


@dataclass(frozen=True)
class Hostile:
    """A model that does harm while it is made.

    Attributes:
        what: What it does.
        code: Of the error; several with ``|`` where it depends on who is faster.
        words: What the message must say.
        does: Its code.
        check: Which check fails.
        limits: Of the worker.
    """

    what: str
    code: str
    words: str
    does: str
    check: Check = Check.LOADS
    limits: dict[str, float] = field(default_factory=dict)


LOOPS = (
    Hostile(
        "waits for ever",
        "resource.wall",
        "longer than its 4 seconds",
        "import time\nwhile True: time.sleep(1)",
        limits={"wall_s": 4},
    ),
    Hostile(
        "never stops computing",
        "resource.cpu",
        "more than its 3 seconds of CPU",
        "while True: pass",
        limits={"cpu_s": 3},
    ),
    Hostile(
        "leaves a thread behind",
        "resource.wall",
        "longer than its 6 seconds",
        f"import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n{LINEAR}",
        Check.AVERAGES,
        {"wall_s": 6},
    ),
    Hostile("takes all memory", "model.make", "MemoryError", "return bytearray(10**12)"),
    Hostile(
        "takes memory bit by bit", "model.make", "MemoryError", "kept = []\nwhile True: kept.append(bytearray(2**24))"
    ),
    Hostile(
        "fills the disk",
        "model.make|resource.disk",
        "",
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nopen('big', 'wb').write(b'x' * 2**23)",
        limits={"disk_bytes": 2 * MIB},
    ),
    Hostile(
        "floods the log",
        "model.make|resource.disk",
        "",
        "while True: print('x' * 9999)",
        limits={"disk_bytes": 2 * MIB},
    ),
    Hostile("ends without a word", "validation.ended", "before all checks were done", "import os; os._exit(0)"),
    Hostile("ends with a status", "worker.crashed", "ended with status 3", "import os; os._exit(3)"),
    Hostile("crashes", "worker.crashed", "ended with signal 11", "import ctypes; ctypes.string_at(0)"),
    Hostile("kills itself", "resource.killed", "the system killed it", "import os; os.kill(os.getpid(), 9)"),
    Hostile(
        "kills everybody that it can",
        "model.make",
        "No such process",
        "import os; os.kill(-1, 9); os.kill(os.getpid(), 9)",
    ),
    Hostile(
        "says that it was not its fault",
        "worker.other",
        "all is well",
        "import json, os\njson.dump({'category': 'infra', 'code': 'broker.away', 'message': 'all is well'}, open('error.json', 'w'))\nos._exit(1)",
    ),
    Hostile(
        "writes an impossible report",
        "validation.ended",
        "wrote the report",
        "import json, os\n"
        "json.dump({'version': 1, 'steps': [{'check': 'averages', 'state': 'passed'}] * 9}, open('validation.json', 'w'))\nos._exit(0)",
    ),
    Hostile(
        "writes an endless report",
        "validation.ended",
        "wrote the report",
        "import os\nopen('validation.json', 'w').write('[' * 200_000)\nos._exit(0)",
    ),
    Hostile(
        "makes its report a link",
        "validation.ended",
        "wrote the report",
        "import os\nos.symlink('/etc/passwd', 'validation.json')\nos._exit(0)",
    ),
    Hostile(
        "raises what cannot be said",
        "worker.crashed",
        "status 1",
        "class Mute(Exception):\n    def __str__(self): raise self\nraise Mute",
    ),
    Hostile("raises what is no exception", "worker.crashed", "signal 2", "raise KeyboardInterrupt"),
)
SPIES = (
    Hostile(
        "calls somebody",
        "model.make",
        "ConnectionRefusedError",
        "import socket; socket.create_connection(('127.0.0.1', 80), 2)",
    ),
    Hostile("asks for a name", "model.make", "gaierror", "import socket; socket.getaddrinfo('example.org', 80)"),
    Hostile(
        "reads the environment",
        "model.make",
        "no token: []",
        "import os; raise ValueError(f'no token: {[k for k in os.environ if \"TOKEN\" in k]}')",
    ),
    Hostile(
        "reads the site",
        "model.make",
        "no such: []",
        'import os; raise ValueError(f\'no such: {sorted(set(os.listdir("/")) & {"boot", "srv", "var"})}\')',
    ),
    Hostile("reads passwords", "model.make", "FileNotFoundError", "open('/etc/shadow').read()"),
    Hostile("changes itself", "model.make", "Read-only file system", "open(__file__, 'a')"),
    Hostile(
        "changes the worker", "model.make", "Read-only file system", "import training; open(training.__file__, 'a')"
    ),
    Hostile(
        "writes beside its folder", "model.make", "OSError", "open('/job/inputs/../x', 'w').write('x'); raise OSError"
    ),
)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where workers have their folders; empty again at the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    yield folder
    assert list(folder.iterdir()) == []


def source(does: str) -> str:
    """A model file whose ``build`` does that."""
    return f"{HEAD}\ndef build():\n" + "".join(f"    {line}\n" for line in does.split("\n"))


async def tried(folder: Path, does: str, **limits: float) -> tuple[str, str, Check | None, list[Step]]:
    """What a model is told: code, message, the check that failed, and all that was told of checks."""
    path = folder / "net.py"
    path.write_text(source(does))
    told: list[Step] = []
    bounds = Limits.model_validate({"wall_s": 60, "cpu_s": 60, **limits})
    config = Config(
        category="tabular_classification",
        framework="sklearn",
        features=("a", "b"),
        target="y",
        classes=("n", "y"),
        limits=bounds,
    )
    report, error = await vet(Subject.read(path), config, told.append)
    assert [step.check for step in told] == list(Check)
    assert list(report.steps) == told
    if error is None:
        return "", "", None, told
    assert report.failure is not None
    refused = refusal(report, error)
    assert refused.details["fix"]
    return error.code, refused.message, report.failure.check, told


@pytest.mark.parametrize("hostile", LOOPS, ids=lambda hostile: hostile.what)
async def test_harm(hostile: Hostile, scratch: Path, tmp_path: Path) -> None:
    code, message, check, told = await tried(tmp_path, hostile.does, **hostile.limits)
    assert (code in hostile.code.split("|"), hostile.words in message, check) == (True, True, hostile.check), message
    assert all(step.state is State.SKIPPED for step in told[list(Check).index(hostile.check) + 1 :])


@ONLY_WALLED
async def test_spies_see_nothing(scratch: Path, tmp_path: Path) -> None:
    for number, hostile in enumerate(SPIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        code, message, _, _ = await tried(folder, hostile.does)
        assert (code, hostile.words in message) == (hostile.code, True), (hostile.what, message)


@ONLY_WALLED
@pytest.mark.parametrize("ends", [True, False], ids=["and goes on", "and waits"])
async def test_children_end_with_it(scratch: Path, tmp_path: Path, ends: bool) -> None:
    """A bounded bomb: a hundred children in sessions of their own."""
    mark = f"61.{os.getpid()}{int(ends)}"
    after = LINEAR if ends else "time.sleep(60)"
    does = (
        "import os, time\nfor _ in range(100):\n    if os.fork() == 0:\n"
        f"        os.setsid(); os.execv('/bin/sleep', ['sleep', '{mark}'])\n{after}"
    )
    code, message, _, _ = await tried(tmp_path, does, wall_s=60 if ends else 5)
    assert code == ("" if ends else "resource.wall"), message
    async with asyncio.timeout(10):
        while running(mark):
            await asyncio.sleep(0.05)


def running(mark: str) -> list[str]:
    """Processes with ``mark`` among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
            except OSError:
                continue
    return found
