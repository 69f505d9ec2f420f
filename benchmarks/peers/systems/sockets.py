"""Bare TCP sockets: what the machine can do with no platform at all."""

from __future__ import annotations

import json

from benchmarks.measure.results import SERVER
from benchmarks.peers.systems.base import System, edge, wait_for
from bus.jetstream.server import free_port


class Sockets(System):
    """See the module."""

    packages = ("numpy",)

    def start(self) -> None:
        """A server and its clients, each a process."""
        app, port = self.lay_out("sockets"), str(free_port())
        config = json.dumps(self.site.config)
        program = (self.program("python"), str(app / "sockets.py"))
        self.site.start(SERVER, (*program, "server", port, config))
        wait_for(lambda: bool(self.site.noted()), "the server does not listen")
        for number in range(self.site.case.edges):
            self.site.start(edge(number), (*program, str(number), port, config))

    def ended(self) -> str | None:
        """The server ended with an error."""
        server = self.site.processes[0]
        return f"the server ended: {self.site.last_line('server-0')}" if server.poll() else None
