"""The SDK against a federation of real processes, from inside a running event loop, as in a notebook."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from asyncio import create_subprocess_exec, subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pandas as pd
import pytest

import muster
from bus.events.cycles import CycleClosed
from bus.wire.record import Record
from muster.federation.layout import Layout
from muster.telling.follow import View
from support.terminal import Terminal

HOSPITALS = ("hospital-a", "hospital-c")
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "use-from-python.md"


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """A federation that runs, with data at two edges, plan and model file at hand."""
    terminal = Terminal(tmp_path, tmp_path / "federation")
    names = [argument for name in HOSPITALS for argument in ("--edge", name)]
    async with terminal.up(terminal.federation, *names, "--lease", "3"):
        await terminal.succeed("demo", "--files-only", "--dir", "files")
        for edge in HOSPITALS:
            files = tmp_path / "files" / "data"
            await terminal.succeed(
                *("ingest", "--edge", edge, "--dataset", "breast-cancer", "--target", "diagnosis"),
                *("--category", "tabular_classification"),
                *("--train", files / f"{edge}-train.csv", "--test", files / f"{edge}-test.csv"),
            )
        yield terminal


def refusals(fed: muster.Federation, model: muster.Model, files: Path) -> None:
    """What is wrong is told before anything is sent, by the names under which users catch it."""
    (files / "wrong.py").write_text((files / "model.py").read_text().replace("return LogisticRegression()", "return 3"))
    with pytest.raises(muster.ModelRefused, match="fails check 2 of 8, framework") as refused:
        fed.upload(files / "wrong.py", progress=False)
    assert refused.value.details["expected"]
    with pytest.raises(muster.NotFound, match="did you mean 'breast-cancer'"):
        fed.link(model, "brest-cancer")
    with pytest.raises(muster.LinkRefused, match=r"hospital-c registered the target(.|\n)*target +mean_radius .* NO"):
        fed.link(model, "breast-cancer", target="mean_radius")
    plan = fed.link(model, "breast-cancer").plan("too many", cycles=1, quorum=9)
    with pytest.raises(muster.PlanRefused, match="quorum: 9 edges"):
        fed.start(plan)
    with pytest.raises(muster.ModelRefused, match="fails check 2"):
        fed.start(plan.with_(quorum=None, model=files / "wrong.py"), progress=False)
    assert len(fed.experiments()) == 0


def kept(artefact: muster.Artefact, files: Path) -> None:
    """What was downloaded predicts; a change of it is found."""
    rows = pd.read_csv(files / "data" / "hospital-a-test.csv")
    found = muster.load(artefact.directory).predict(rows)
    assert (found == rows["diagnosis"].to_numpy()).mean() > 0.9
    artefact.weights.write_bytes(artefact.weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(muster.Integrity, match="download the model anew"):
        muster.load(artefact.directory)


@pytest.mark.timeout(600)
async def test_everything_from_python(
    terminal: Terminal, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_PROFILES", str(terminal.folder / "profiles.toml"))
    files = terminal.folder / "files"
    with muster.Federation.connect(terminal.federation) as fed:
        assert [each.edge for each in fed.datasets()] == list(HOSPITALS)
        assert [each.live for each in fed.edges()] == [True, True]
        model = fed.upload(files / "model.py")
        assert "averages" in capfd.readouterr().err, "the checks are shown"
        refusals(fed, model, files)

        plan = fed.link(model, "breast-cancer").plan(
            "from Python", cycles=2, training={"epochs": 3, "validation_split": 0.2}
        )
        run = fed.start(plan.save(terminal.folder / "saved" / "plan.yaml"))
        capfd.readouterr()
        final = run.follow()
        assert (final.state, final.cycles_done, final.over) == ("completed", 2, True)
        assert "experiment.completed" in capfd.readouterr().err, "what happens is shown"
        assert final == run.status == fed.experiments()[-1]
        assert [run.events()[0].type, run.events()[-1].type] == ["experiment.submitted", "experiment.completed"]
        history = run.history()
        assert set(history["cycle"]) == {1, 2}
        assert set(history["split"]) == {"train", "validation", "test"}
        (axes,) = run.figures.learning_curve("validation.accuracy").axes
        assert [len(line.get_xydata()) for line in axes.lines] == [2, 2]
        downloaded = run.download(terminal.folder / "out")
        assert downloaded.facts.digest == final.model
        kept(downloaded, files)

        await interrupted(terminal, fed.start(plan).id)
        requests(fed.start(plan.with_(cycles=500)))
        (files / "broken.py").write_text(
            (files / "model.py").read_text().replace("sklearn.linear", "sklearn.no_linear")
        )
        broken = fed.start(plan.with_(model=files / "broken.py"), check=False)
        with pytest.raises(muster.ExperimentFailed, match="does not import") as failed:
            broken.follow(progress=False)
        assert failed.value.details["edge"] in HOSPITALS
    with pytest.raises(muster.Invalid, match="connection is closed"):
        run.wait()


async def interrupted(terminal: Terminal, identity: str) -> None:
    """Whoever follows does not notice that the server is killed and started again."""
    assert terminal.federation is not None
    layout = Layout(terminal.federation)
    processes = layout.processes
    Path(os.environ["MUSTER_PROFILES"]).write_text(
        f"[remote]\nserver_url = '{layout.read().url}'\nidentity = '{layout.identity('acme')}'\n"
        f"anchor = '{layout.anchor}'\n"
    )
    killed: list[int] = []

    def tell(_view: View, record: Record | None) -> None:
        if not killed and record is not None and isinstance(record.body, CycleClosed):
            killed.append(json.loads(processes.read_text())["nats-server"])
            os.kill(killed[0], signal.SIGKILL)

    async with muster.aio.Federation.connect(profile="remote") as fed:
        run = await fed.experiment(identity)
        assert (await run.followed(tell)).state == "completed"
    assert killed, "nothing was killed"
    assert json.loads(processes.read_text())["nats-server"] != killed[0]


def requests(run: muster.Experiment) -> None:
    """Pause, resume, stop, abort: by one connection that was cut meanwhile."""
    run.stop("enough")
    assert run.follow(progress=False).state == "stopped"
    assert run.resume().state in {"running", "averaging"}
    with pytest.raises(muster.Timeout, match=r"has not ended after 0\.5 s"):
        run.wait(timeout_s=0.5)
    assert run.pause("a moment").state in {"paused", "running", "averaging"}
    assert run.abort().state == "aborted"
    with pytest.raises(muster.MusterError, match="aborted") as aborted:
        run.follow(progress=False)
    assert aborted.value.code == "experiment.aborted"
    with pytest.raises(muster.Invalid, match="nothing can be asked of it any more"):
        run.resume()


@pytest.mark.timeout(400)
async def test_the_guide_does_what_it_says(terminal: Terminal) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(blocks) > 5
    process = await create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", "\n".join(blocks)),
        cwd=terminal.folder,
        env=terminal.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert "did you mean 'breast-cancer'" in out.decode()
