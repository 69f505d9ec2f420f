"""Flower as deployed: a SuperLink and SuperNodes as processes with its defaults, but without TLS (``--insecure``)."""

from __future__ import annotations

import json
import subprocess
from typing import Final

from benchmarks.measure.results import SERVER
from benchmarks.peers.systems.base import TOOL, System, edge, wait_for_port

_CONTROL, _NODES = 8000, 9100
_FEDERATION: Final = f"""[superlink]
default = "bench"

[superlink.bench]
address = "127.0.0.1:{_CONTROL}"
insecure = true
"""


class Flower(System):
    """See the module."""

    environment = "flower"
    packages = ("flwr", "numpy", "grpcio")
    _run: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """The SuperLink, the SuperNodes, and a run."""
        site, app = self.site, self.lay_out("flower", "echoapp")
        home = site.folder / "flower"
        home.mkdir()
        (home / "config.toml").write_text(_FEDERATION)
        env = self.surroundings(
            FLWR_HOME=str(home), FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1", NO_COLOR="1"
        )
        # It would install what the app names on every run, with a tool that need not be there.
        link = ("--insecure", "--port", str(_CONTROL), "--disable-runtime-dependency-installation")
        site.start(SERVER, (self.program("flower-superlink"), *link), env)
        wait_for_port(_CONTROL)
        for number in range(site.case.edges):
            node = ("--insecure", "--superlink", f"127.0.0.1:{_CONTROL}", "--port", str(_NODES + number))
            data = ("--node-config", f"partition-id={number} num-partitions={site.case.edges}")
            site.start(edge(number), (self.program("flower-supernode"), *node, *data), env)
        config = " ".join(f"{name}={json.dumps(value)}" for name, value in site.config.items())
        run = ("run", str(app), "bench", "--stream", "--run-config", config)
        self._run = site.start(TOOL, (self.program("flwr"), *run), env)

    def ended(self) -> str | None:
        """Whoever follows the run says that it is over."""
        if self._run is None or self._run.poll() is None:
            return None
        return f"the run ended with status {self._run.returncode}"
