"""A real MariaDB for tests: own directory, free port, gone with its parent. May move to ``tests/support``."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from bus.jetstream.server import free_port
from bus.processes import die_with_parent

USER, PASSWORD = "muster", "s3cret/@:word"
ESCAPED = "s3cret%2F%40%3Aword"
_STOP_S = 20
_SETTINGS = (
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=2",
    "--performance-schema=OFF",
    "--skip-log-bin",
    "--skip-name-resolve",
)


class MariaDb:
    """One server process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None
        self._log: list[str] = []

    def start(self) -> None:
        mariadbd = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/libexec")
        assert mariadbd is not None
        account = [f"--user={'root' if os.geteuid() == 0 else os.environ.get('USER', 'mysql')}"]
        data = f"--datadir={self.directory / 'data'}"
        install = ["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", data, *account]
        subprocess.run([*install, "--skip-test-db"], check=True, capture_output=True)
        (self.directory / "init.sql").write_text(
            f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON `t\\_%`.* TO '{USER}'@'%';\n"
        )
        where = [f"--socket={self.directory / 's'}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        init = f"--init-file={self.directory / 'init.sql'}"
        command = [mariadbd, "--no-defaults", data, *account, *where, init, *_SETTINGS]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent
        )
        self._until_ready(self._process)

    def _until_ready(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._log.append(line)
            if "ready for connections" in line:
                break
        else:
            pytest.fail("mariadbd did not start:\n" + "".join(self._log[-20:]))
        self._drain = threading.Thread(target=self._log.extend, args=(process.stderr,), daemon=True)
        self._drain.start()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._drain is not None:
            self._drain.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def execute(self, statement: str, database: str | None = None) -> tuple[tuple[object, ...], ...]:
        """Run a statement as root."""
        with (
            pymysql.connect(unix_socket=str(self.directory / "s"), user="root", database=database) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            rows = tuple(cursor.fetchall())
            connection.commit()
            return rows

    def url(self, database: str, *, password: str = ESCAPED, port: int | None = None) -> str:
        return f"mysql://{USER}:{password}@127.0.0.1:{port or self.port}/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty database; returns its name."""
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name}")


@contextmanager
def running_mariadb() -> Iterator[MariaDb]:
    """A server; the test is skipped where MariaDB is not installed, unless MUSTER_REQUIRE_MARIADB is set."""
    if shutil.which("mariadb-install-db") is None:
        if os.environ.get("MUSTER_REQUIRE_MARIADB"):
            pytest.fail("MUSTER_REQUIRE_MARIADB is set, but mariadb-server is not installed")
        pytest.skip("mariadb-server is not installed: apt-get install mariadb-server")
    with tempfile.TemporaryDirectory(prefix="mdb-") as directory:
        server = MariaDb(Path(directory))
        try:
            server.start()
            yield server
        finally:
            server.stop()
