"""Where the S3-compatible store is, and with which credential a process uses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from bus.errors import Configuration
from bus.events.weights import S3
from bus.ports import BlobStore

GIB: Final = 1024**3


class S3Place(BaseModel):
    """An S3-compatible store, the same for everybody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str
    """Its address, e.g. ``https://s3.example.org``. Buckets are addressed by path."""
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """A bucket for this federation alone."""
    region: str = "us-east-1"
    """Part of the signature of requests; most stores other than AWS take any."""
    from_bytes: int = Field(default=GIB, ge=0)
    """Bodies of this size and more go there if the plan says ``auto``. Smaller ones are as fast at the broker."""

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.path.strip("/"):
            raise ValueError("expected http://HOST:PORT or https://HOST[:PORT], without user, bucket or path")
        return value.rstrip("/")


class S3Settings(S3Place):
    """The same, as one process uses it."""

    credentials: Path
    """JSON file with ``access_key_id`` and ``secret_access_key`` of this principal, readable for the owner alone."""
    ca: Path | None = None
    """PEM file with certificates to trust besides those of the system."""


class Credential(BaseModel):
    """A key at the store. Never part of an event, a log or an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    access_key_id: SecretStr = Field(min_length=1)
    secret_access_key: SecretStr = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The credential in a file.

        Raises:
            Configuration: It is missing or wrong; nothing of its content is told.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise Configuration(
                f"the S3 credential {path} cannot be read ({error.strerror}): expected JSON with access_key_id and "
                "secret_access_key",
                code="s3.credentials",
            ) from error
        except ValidationError:
            # Its cause would show the file's content.
            raise Configuration(
                f"the S3 credential {path} is not usable: expected JSON with access_key_id and secret_access_key, "
                "and nothing else",
                code="s3.credentials",
            ) from None

    def save(self, path: Path) -> None:
        """Write it to a file that only its owner may read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        content = {name: value.get_secret_value() for name, value in self}
        temporary.write_text(json.dumps(content) + "\n")
        temporary.replace(path)


def stores(settings: S3Settings | None) -> Mapping[str, BlobStore]:
    """The stores beside the broker that a process knows.

    Raises:
        Configuration: The credential is missing, or the library is not installed.
    """
    if settings is None:
        return {}
    try:
        from bus.s3.blobs import S3Blobs
    except ModuleNotFoundError as error:
        raise Configuration(
            "the settings name an S3 store, and the library for it is missing: install muster-fl[s3]",
            code="s3.library",
        ) from error
    return {S3: S3Blobs(settings, Credential.load(settings.credentials))}
