"""NVFlare as its proof-of-concept kits set it up: provisioned, mutual TLS, a process tree for each participant."""

from __future__ import annotations

import json
import re
import shutil
from typing import Final

from benchmarks.measure.results import SERVER
from benchmarks.peers.systems.base import System, edge, wait_for_port

_PORT: Final = 8002
_TRIES: Final = 30
_KIT: Final = re.compile(r"/prod_00/(?:(server)|site-(\d+))")


class NVFlare(System):
    """See the module."""

    environment = "nvflare"
    packages = ("nvflare", "numpy", "grpcio")

    def start(self) -> None:
        """Provision, write the job, start everybody, submit the job."""
        site, app = self.site, self.lay_out("nvflare")
        work = site.folder / "poc"
        env = self.surroundings(NVFLARE_POC_WORKSPACE=str(work))
        site.call((self.program("nvflare"), "poc", "prepare", "-n", str(site.case.edges)), env)
        job = site.folder / "job"
        for file in app.iterdir():
            shutil.copy(file, site.folder)  # the recipe takes files from the working directory
        site.call((self.program("python"), "job.py", json.dumps(site.config), str(job)), env)
        kits = work / "example_project" / "prod_00"

        def kit(role: str, name: str) -> None:
            # With --once, since a supervisor that starts it again would only sleep.
            site.start(role, ("bash", str(kits / name / "startup" / "sub_start.sh"), "--once"), env)

        kit(SERVER, "server")
        wait_for_port(_PORT)
        for number in range(site.case.edges):
            kit(edge(number), f"site-{number + 1}")
        admin = ("--startup-kit", str(kits / "admin@nvidia.com"))
        submit = (self.program("nvflare"), "job", "submit", "-j", str(job / "echo"), *admin)
        site.call(submit, env, tries=_TRIES)

    def role(self, command: str) -> str | None:
        """By the kit that a process was started from."""
        found = _KIT.search(command)
        if found is None:
            return None
        return SERVER if found[1] else edge(int(found[2]) - 1)

    def ended(self) -> str | None:
        """The server says that it gives the run up."""
        logs = sorted(self.site.folder.glob(f"{SERVER}-*.log"))
        found = re.search(r"Aborting current RUN due to[^\n]*", logs[0].read_text(errors="replace")) if logs else None
        return None if found is None else found[0]
