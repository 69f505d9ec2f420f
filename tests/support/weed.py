"""A real S3 server for tests: SeaweedFS on loopback, one key per principal, a bucket per test."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import obstore

from bus.identity.directory import Principal
from bus.jetstream.server import free_port
from bus.processes import die_with_parent
from bus.s3.access import access
from bus.s3.blobs import S3Blobs
from bus.s3.keys import key
from bus.s3.settings import Credential, S3Settings

READY_S = 60.0
ADMIN = "operator"
PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"),
)


def key_of(name: str) -> dict[str, str]:
    """The key of a principal: nothing secret about it."""
    return {"access_key_id": f"key-{name}", "secret_access_key": f"secret-of-{name}"}


@dataclass
class Weed:
    """One server process.

    Attributes:
        folder: Everything that it keeps.
        keys: Principal -> what it may do, in the words of SeaweedFS.
        options: Further options of ``weed server``.
    """

    folder: Path
    keys: Mapping[str, list[str]] = field(default_factory=lambda: {ADMIN: ["Admin"]})
    options: tuple[str, ...] = ()
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in PORTS})
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3.port']}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it stores something."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        identities = [
            {
                "name": name,
                "credentials": [
                    {"accessKey": key_of(name)["access_key_id"], "secretKey": key_of(name)["secret_access_key"]}
                ],
                "actions": actions,
            }
            for name, actions in self.keys.items()
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        settings = {
            "dir": self.folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "filer.localSocket": self.folder / "f.sock",
            "s3.localSocket": self.folder / "s.sock",
            "s3.config": self.folder / "s3.json",
            "s3.iam": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
            "master.peers": "none",
            "volume.max": 0,
            **self.ports,
        }
        command = [binary(), "-logtostderr=true", "server", "-s3", "-filer"]
        command += [*(f"-{name}={value}" for name, value in settings.items()), *self.options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        self._ready()

    def kill(self) -> None:
        """End it at once: asked politely, it takes twenty seconds."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
        for part in ("master", "volume", "filer", "s3"):
            # It puts these beside its folder, wherever that is.
            Path(f"/tmp/seaweedfs-{part}-grpc-{self.ports[f'{part}.port.grpc']}.sock").unlink(missing_ok=True)

    def bucket(self) -> str:
        """A new bucket: this server makes one for the first object that an administrator puts there."""
        name = f"muster-{secrets.token_hex(6)}"
        obstore.put(self.blobs(name)._store, "made", b"")
        return name

    def settings(self, bucket: str, name: str = ADMIN, **changes: object) -> S3Settings:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(key_of(name)))
        content = {"endpoint": self.endpoint, "bucket": bucket, "credentials": path, **changes}
        return S3Settings.model_validate(content)

    def blobs(
        self, bucket: str, name: str = ADMIN, *, retry_s: float = 2.0, request_s: float = 30.0, **changes: object
    ) -> S3Blobs:
        """The store as one principal sees it."""
        settings = self.settings(bucket, name, **changes)
        credential = Credential.load(settings.credentials)
        return S3Blobs(settings, credential, retry_s=retry_s, request_s=request_s)

    def overwrite(self, bucket: str, subject: str, data: bytes) -> None:
        """What a store that is not honest can do."""
        obstore.put(self.blobs(bucket)._store, key(subject), data)

    def _ready(self) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            try:
                with urlopen(f"{self.endpoint}/status", timeout=1):
                    pass
                with urlopen(f"http://127.0.0.1:{self.ports['master.port']}/dir/assign", timeout=2) as answer:
                    if "fid" in json.load(answer):
                        return
            except (HTTPError, URLError, OSError, ValueError):
                pass
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text()[-2000:])


def binary() -> str:
    """The server that ``scripts/setup.sh dev`` installs. No test is skipped for want of it."""
    path = Path(sys.executable).parent / "weed"
    assert path.exists(), f"{path} is missing: run scripts/setup.sh VENV dev"
    return os.fspath(path)


def actions(principals: Iterable[Principal], bucket: str) -> dict[str, list[str]]:
    """What ``bus.s3.access`` says, in the words of SeaweedFS."""
    found = {}
    for principal in principals:
        may = access(principal)
        granted = [f"Read:{bucket}/{prefix}*" for prefix in may.read]
        granted += [f"Write:{bucket}/{prefix}*" for prefix in may.write]
        found[str(principal.principal)] = ["Admin"] if may.manage else granted
    return found


@contextmanager
def running_weed(folder: Path, **settings: object) -> Iterator[Weed]:
    """A server for as long as the block runs."""
    weed = Weed(folder, **settings)  # type: ignore[arg-type]
    try:
        weed.start()
        yield weed
    finally:
        weed.kill()
