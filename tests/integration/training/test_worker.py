"""Real workers, in the best isolation that this machine has."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.jobs import HEADER, LIMITS, Bench
from training.errors import Phase, TrainingError
from training.plan import Limits, Training
from training.worker.config import Task
from training.worker.result import Result, read_result
from training.worker.sandbox import Isolation

MIB = 1024 * 1024


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.made(tmp_path)


async def prepared(bench: Bench) -> Path:
    """A first global model of one edge."""
    ended, sums = await bench.run(Task.STATISTICS)
    assert ended.error is None
    ended, first = await bench.run(Task.INITIALISE, weights=sums / "weights.safetensors")
    assert ended.error is None, ended.error
    return first / "weights.safetensors"


def result(output: Path, task: Task, reference: Path | None = None) -> Result:
    return read_result(output, task, reference=reference, rows=60, max_bytes=MIB, classes=2)


async def test_a_cycle(bench: Bench) -> None:
    first = await prepared(bench)
    ended, output = await bench.run(Task.TRAIN, weights=first)
    assert ended.error is None, ended.error
    assert ended.usage.cpu_s > 0
    assert ended.usage.peak_memory_bytes > 10 * MIB
    trained = result(output, Task.TRAIN, first)
    assert trained.examples == 48
    scores = {(s.stage, s.split, s.name): s.value for s in trained.scores}
    accuracy = scores[("trained", "validation", "accuracy")]
    assert accuracy is not None
    assert accuracy > 0.8
    ended, output = await bench.run(Task.EVALUATE, weights=trained.weights)
    assert ended.error is None
    evaluated = read_result(output, Task.EVALUATE, reference=None, rows=30, max_bytes=MIB, classes=2)
    assert evaluated.weights is None
    assert {s.split for s in evaluated.scores} == {"test"}
    (tally,) = evaluated.tallies
    assert tally.classes is not None
    assert tally.classes.confusion is not None
    assert [(t.split, t.stage) for t in trained.tallies] == [(s.split, s.stage) for s in trained.scores[::7]]
    assert json.loads((output / "resources.json").read_text())["cpu_s"] > 0


async def test_an_evaluation_judges_a_model_as_the_next_cycle_would(bench: Bench) -> None:
    first = await prepared(bench)
    _, output = await bench.run(Task.TRAIN, weights=first)
    trained = output / "weights.safetensors"
    _, judged = await bench.run(Task.EVALUATE, weights=trained, with_validation=True)
    _, output = await bench.run(Task.TRAIN, weights=trained, cycle=2)
    evaluated = read_result(judged, Task.EVALUATE, reference=None, rows=30, max_bytes=MIB, classes=2, scored_rows=60)
    next_ = {s.name: s for s in result(output, Task.TRAIN, trained).scores if s.stage == "received"}
    assert {s.name: s for s in evaluated.scores if s.split == "validation"} == next_
    assert {s.split for s in evaluated.scores} == {"test", "validation"}
    assert evaluated.examples == 30


async def test_the_same_input_gives_the_same_bytes(bench: Bench) -> None:
    first = await prepared(bench)
    outputs = [(await bench.run(Task.TRAIN, weights=first))[1] for _ in range(2)]
    one, two = ((output / "weights.safetensors").read_bytes() for output in outputs)
    assert one == two


NETWORK = """
from torch import nn

framework = "torch"
category = "tabular_classification"
main_class = "Network"

class Network(nn.Sequential):
    def __init__(self, features, outputs):
        body = nn.Linear(features, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2)
        super().__init__(*body, nn.Linear(16, outputs))
"""
TORCH: dict[str, Any] = {
    "source": NETWORK,
    "framework": "torch",
    "training": Training(epochs=5, optimizer="adam", learning_rate=0.01, batch_size=8, validation_split=0.2),
}
TENSORFLOW: dict[str, Any] = {
    **TORCH,
    "framework": "tensorflow",
    "source": """
import keras

framework = "tensorflow"
category = "tabular_classification"
main_method = "build"

def build(outputs):
    body = keras.layers.Dense(16), keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.Dropout(0.2)
    return keras.Sequential([*body, keras.layers.Dense(outputs, activation="softmax")])
""",
}


async def test_torch_gives_the_same_bytes_in_every_process(bench: Bench) -> None:
    _, sums = await bench.run(Task.STATISTICS, **TORCH)
    firsts = [await bench.run(Task.INITIALISE, weights=sums / "weights.safetensors", **TORCH) for _ in range(2)]
    assert [ended.error for ended, _ in firsts] == [None, None]
    one, two = (output / "weights.safetensors" for _, output in firsts)
    assert one.read_bytes() == two.read_bytes()
    runs = [await bench.run(Task.TRAIN, weights=one, **TORCH) for _ in range(2)]
    assert [ended.error for ended, _ in runs] == [None, None]
    results = [result(output, Task.TRAIN, one) for _, output in runs]
    assert all(each.weights is not None for each in results)
    assert len({each.weights.read_bytes() for each in results if each.weights is not None}) == 1
    accuracy = {(s.stage, s.split, s.name): s.value for s in results[0].scores}["trained", "validation", "accuracy"]
    assert accuracy is not None
    assert accuracy > 0.8
    told = [json.loads(line) for line in (runs[0][1] / "progress.jsonl").read_text().splitlines()]
    assert [line["done"] for line in told] == [1, 2, 3, 4, 5]
    assert all(line["loss"] > 0 for line in told)


@pytest.mark.parametrize(
    ("work", "mebibytes", "code"),
    [
        (TORCH, 1024, None),
        (TORCH, 512, "framework.load"),
        (TENSORFLOW, 1536, None),
        (TENSORFLOW, 1024, "framework.load"),
    ],
    ids=lambda value: value["framework"] if isinstance(value, dict) else None,
)
async def test_a_framework_says_what_memory_it_needs(
    bench: Bench, work: dict[str, Any], mebibytes: int, code: str | None
) -> None:
    limits = LIMITS.model_copy(update={"memory_bytes": mebibytes * MIB})
    ended, _ = await bench.run(Task.VALIDATE, limits=limits, **work)
    assert (ended.error and ended.error.code) == code, ended.error and ended.error.message


async def test_predictions_stay_in_the_output(bench: Bench) -> None:
    ended, output = await bench.run(Task.PREDICT, weights=await prepared(bench))
    assert ended.error is None
    lines = (output / "predictions.csv").read_text().splitlines()
    assert lines[0] == "y,probability of no,probability of yes"
    assert len(lines) == 31


async def test_all_checks(bench: Bench) -> None:
    ended, _ = await bench.run(Task.VALIDATE)
    assert ended.error is None, ended.error


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("def build(:\n", "model.syntax"),
        ("import no_such_module\n" + HEADER.format(body="return 1"), "model.import"),
        ("raise RuntimeError('at import')\n" + HEADER.format(body="return 1"), "model.import"),
        (HEADER.format(body="raise ValueError('nothing')"), "model.make"),
        (HEADER.format(body="return object()"), "model.estimator"),
        (HEADER.replace("sklearn", "torch").format(body="return 1"), "model.contract"),
        (HEADER.format(body="from sklearn.linear_model import Ridge; return Ridge()"), "model.category"),
        (HEADER.format(body="import os; os._exit(3)"), "worker.crashed"),
        (HEADER.format(body="import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"), "worker.crashed"),
        (HEADER.format(body="bytearray(10**12)"), "model.make"),
        (HEADER.format(body="import os; os._exit(0)"), "metrics.format"),
        (HEADER.format(body="import sys; sys.exit(0)"), "model.exit"),
    ],
    ids=lambda value: value if "." in value and "\n" not in value else "",
)
async def test_a_bad_model_file(bench: Bench, source: str, code: str) -> None:
    ended, output = await bench.run(Task.VALIDATE, source=source)
    if ended.error is None:
        with pytest.raises(TrainingError) as caught:
            result(output, Task.VALIDATE)
        assert caught.value.code == code
    else:
        assert ended.error.code == code


@pytest.mark.parametrize(
    ("source", "phase", "end"),
    [
        ("import no_such_module\n" + HEADER.format(body="return 1"), Phase.IMPORT, ("ModuleNotFoundError",)),
        (
            HEADER.format(body="return inner()\n\ndef inner():\n    raise KeyError('Smith')"),
            Phase.IMPORT,
            ("model.py:7 in build", "model.py:10 in inner", "KeyError"),
        ),
        (
            HEADER.format(body="from sklearn.linear_model import SGDClassifier; return SGDClassifier(alpha=-1)"),
            Phase.TRAIN,
            ("sklearn.utils._param_validation.InvalidParameterError",),
        ),
        (HEADER.format(body="return object()"), Phase.IMPORT, ("training.errors.TrainingError",)),
        (HEADER.format(body="import os; os._exit(3)"), Phase.TRAIN, ()),
    ],
    ids=["import", "build", "scikit-learn", "refused", "crash"],
)
async def test_where_it_failed(bench: Bench, source: str, phase: Phase, end: tuple[str, ...]) -> None:
    ended, _ = await bench.run(Task.VALIDATE, source=source)
    assert ended.error is not None
    assert ended.error.phase is phase
    trace = ended.error.trace
    assert trace[len(trace) - len(end) :] == end
    assert not any("Smith" in line or line.startswith("/") for line in trace)
    assert bool(trace) is bool(end)


FORGED = {
    "category": "model",
    "code": "smith.john",
    "message": "forged",
    "phase": "fetch",
    "trace": {
        "error": "smith.John",
        "frames": [
            {"file": "smith.py", "line": 1962, "function": "john"},
            {"file": "model.py", "line": 1962, "function": "build"},
            {"file": "model.py", "line": 1, "function": "john"},
        ],
    },
}


async def test_a_forged_reason_is_not_passed_on(bench: Bench) -> None:
    write = f"import os; open('error.json', 'w').write({json.dumps(json.dumps(FORGED))}); os._exit(1)"
    ended, _ = await bench.run(Task.VALIDATE, source=HEADER.format(body=write))
    assert ended.error is not None
    assert (ended.error.code, ended.error.phase) == ("worker.other", Phase.TRAIN)
    assert ended.error.trace == ("<other>", "model.py:1 in <other>", "<other>")


HANG = HEADER.format(body="\n    ".join(["import time", "while True: time.sleep(1)"]))
SPIN = HEADER.format(body="\n    ".join(["while True: pass"]))
HOG = HEADER.format(body="open('big', 'wb').write(b'x' * (64 * 1024 * 1024))")
MANY = HEADER.format(
    body="\n    ".join(
        ["import time", "for n in range(8): open(f'f{n}', 'wb').write(b'x' * 700_000)", "time.sleep(30)"]
    )
)


@pytest.mark.parametrize(
    ("source", "limits", "codes"),
    [
        (HANG, {"wall_s": 4}, {"resource.wall"}),
        (SPIN, {"cpu_s": 3}, {"resource.cpu"}),
        (HOG, {"disk_bytes": 2 * MIB}, {"resource.disk", "model.make"}),
        (MANY, {"disk_bytes": 2 * MIB}, {"resource.disk"}),
        (
            HEADER.format(body="return bytearray(600 * 2**20)"),
            {"memory_bytes": 512 * MIB},
            {"resource.memory", "model.make"},
        ),
    ],
    ids=["hangs", "spins", "one large file", "many files", "memory"],
)
async def test_limits(bench: Bench, source: str, limits: dict[str, float], codes: set[str]) -> None:
    bounded = Limits.model_validate({**LIMITS.model_dump(), **limits})
    ended, _ = await bench.run(Task.VALIDATE, source=source, limits=bounded)
    assert ended.error is not None
    assert ended.error.code in codes


PEEK = """
import os, socket
framework = "sklearn"
category = "tabular_classification"
main_class = "Peek"

class Peek:
    def __init__(self):
        seen = {"pids": len([p for p in os.listdir("/proc") if p.isdigit()])}
        try:
            socket.create_connection(("127.0.0.1", PORT), 2)
            seen["network"] = "reached"
        except OSError as error:
            seen["network"] = type(error).__name__
        try:
            open(os.path.join(os.path.dirname(__file__), "model.py"), "a")
            seen["inputs"] = "writable"
        except OSError:
            seen["inputs"] = "read only"
        seen["site"] = os.path.exists(SITE)
        seen["secret"] = "SECRET_TOKEN" in os.environ
        raise ValueError(repr(seen))
"""


async def test_a_worker_sees_nothing_of_the_site(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if bench.isolation is not Isolation.BUBBLEWRAP:
        pytest.skip("bubblewrap does not work on this machine")
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        source = PEEK.replace("PORT", str(port)).replace("SITE", repr(str(tmp_path)))
        ended, _ = await bench.run(Task.VALIDATE, source=source)
    assert ended.error is not None
    assert ended.error.code == "model.make"
    assert "'secret': False" in ended.error.message
    assert "'pids': 2" in ended.error.message
    assert "'network': 'ConnectionRefusedError'" in ended.error.message
    assert "'inputs': 'read only'" in ended.error.message
    assert "'site': False" in ended.error.message


async def test_cancelling_kills_the_worker(bench: Bench) -> None:
    running = asyncio.create_task(bench.run(Task.VALIDATE, source=HANG))
    output = bench.folder / "job-1" / "output"
    while not output.exists() or not workers(bench.folder):
        await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not workers(bench.folder)


def workers(folder: Path) -> list[int]:
    """Processes whose command line names ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if str(folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


FORGERIES = {
    "weights.format": "import pickle; pickle.dump({'w': 1}, open('weights.safetensors', 'wb'))",
    "weights.finite": "save({**tensors, 'model.coef': tensors['model.coef'] * float('nan')})",
    "weights.shape": "save({**tensors, 'model.coef': tensors['model.coef'][:, :1].copy()})",
    "metrics.examples": "json.dump({'examples': 10**9, 'scores': []}, open('metrics.json', 'w'))",
    "metrics.tally": (
        "said = json.load(open('metrics.json')); said['tallies'][0]['classes']['hits'][0] += 1; "
        "json.dump(said, open('metrics.json', 'w'))"
    ),
    "metrics.format": "open('metrics.json', 'w').write('x' * 300_000)",
    "weights.missing": "os.unlink('weights.safetensors'); os.symlink('/etc/passwd', 'weights.safetensors')",
}
FORGER = """
import atexit, json, os
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

framework = "sklearn"
category = "tabular_classification"
main_method = "build"

def build():
    atexit.register(forge)
    return LogisticRegression()

def forge():
    with safe_open("weights.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    save = lambda changed: save_file(changed, "weights.safetensors", metadata)
    FORGERY
"""


@pytest.mark.parametrize("code", FORGERIES)
async def test_what_a_hostile_worker_wrote_does_not_leave(bench: Bench, code: str) -> None:
    first = await prepared(bench)
    ended, output = await bench.run(Task.TRAIN, source=FORGER.replace("FORGERY", FORGERIES[code]), weights=first)
    assert ended.error is None, ended.error
    with pytest.raises(TrainingError) as caught:
        result(output, Task.TRAIN, first)
    assert caught.value.code == code
