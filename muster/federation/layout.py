"""Where things are in a federation's directory.

::

    federation.json           name, port, principals
    anchor.json               the operator's public keys
    identities/<principal>/   private keys, readable for the owner alone; s3.json is its key at the S3 store
    settings/<principal>.yaml
    services/<name>/          what a service keeps
    edges/<edge>/             what an edge keeps: its data store, jobs, outbox
    nats/                     server configuration, log and store
    logs/<name>.log
    run/                      lock and process ids of a running federation
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bus.errors import Configuration, NotFound
from bus.s3.settings import S3Place, S3Settings

FILE: Final = "federation.json"
SERVICES: Final = ("coordinator", "aggregator", "policy_engine", "audit_sink")
OPERATOR: Final = "operator"


class Description(BaseModel):
    """What ``federation.json`` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    name: str
    port: int
    """Of the NATS server, on the loopback interface."""
    edges: tuple[str, ...]
    vendors: tuple[str, ...]
    lease_s: float = 10.0
    disk_bytes: int
    s3: S3Place | None = None
    """The store for large models, if there is one."""
    s3_ca: Path | None = None
    """Certificates to trust there, besides those of the system."""

    @property
    def url(self) -> str:
        """Where the NATS server is."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def principals(self) -> tuple[str, ...]:
        """Everybody with a key."""
        return (OPERATOR, *SERVICES, *self.edges, *self.vendors)


class Layout:
    """Paths below a federation's directory.

    Args:
        directory: The federation's directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()

    @classmethod
    def find(cls, start: Path) -> Self:
        """The federation in ``start`` or in a directory above it.

        Raises:
            NotFound: There is none.
        """
        for directory in (start.resolve(), *start.resolve().parents):
            if (directory / FILE).is_file():
                return cls(directory)
        raise NotFound(
            f"no federation in {start.resolve()} or above: start one with 'muster up DIR', and name it with "
            "--federation DIR or the variable MUSTER_FEDERATION",
            code="federation.missing",
        )

    @property
    def exists(self) -> bool:
        """Whether a federation was set up here."""
        return (self.directory / FILE).is_file()

    def read(self) -> Description:
        """What ``federation.json`` says.

        Raises:
            Configuration: It is damaged.
        """
        try:
            return Description.model_validate_json((self.directory / FILE).read_bytes())
        except (OSError, ValidationError) as error:
            raise Configuration(
                f"{self.directory / FILE} cannot be read: restore it from a copy, or set up a new federation elsewhere",
                code="federation.damaged",
            ) from error

    def write(self, description: Description) -> None:
        """Write ``federation.json``, whole or not at all."""
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / f".{FILE}.new"
        temporary.write_text(json.dumps(description.model_dump(mode="json"), indent=2) + "\n")
        temporary.replace(self.directory / FILE)

    @property
    def anchor(self) -> Path:
        """The operator's public keys."""
        return self.directory / "anchor.json"

    @property
    def nats(self) -> Path:
        """What the NATS server keeps."""
        return self.directory / "nats"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the federation."""
        return self.directory / "run" / "lock"

    @property
    def processes(self) -> Path:
        """Process ids by name, while the federation runs."""
        return self.directory / "run" / "processes.json"

    def identity(self, principal: str) -> Path:
        """Directory with the keys of ``principal``."""
        return self.directory / "identities" / principal

    def s3_credential(self, principal: str) -> Path:
        """The key of ``principal`` at the S3-compatible store."""
        return self.identity(principal) / "s3.json"

    def s3(self, principal: str, description: Description) -> S3Settings | None:
        """How ``principal`` uses the S3-compatible store; ``None`` if there is none, or it has no key there."""
        path = self.s3_credential(principal)
        if description.s3 is None or not path.exists():
            return None
        return S3Settings(**description.s3.model_dump(), credentials=path, ca=description.s3_ca)

    def settings(self, principal: str) -> Path:
        """Settings file of the process of ``principal``."""
        return self.directory / "settings" / f"{principal}.yaml"

    def data(self, principal: str) -> Path:
        """What the process of ``principal`` keeps."""
        kind = "services" if principal in SERVICES else "edges"
        return self.directory / kind / principal

    def store_url(self, edge: str) -> str:
        """SQLAlchemy URL of the data store of an edge."""
        return f"sqlite+aiosqlite:///{self.data(edge) / 'store.sqlite'}"

    def log(self, name: str) -> Path:
        """Log file of a process."""
        return self.directory / "logs" / f"{name}.log"

    def traces(self, principal: str) -> Path:
        """Spans of a process, as JSON lines."""
        return self.directory / "traces" / f"{principal}.jsonl"
