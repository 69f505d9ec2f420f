"""Settings that every service has. One typed tree; a YAML file, and environment variables over it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bus.errors import Configuration
from bus.s3.settings import S3Settings


class ServiceSettings(BaseSettings):
    """What a process needs to take part in a federation.

    Every field can be overridden by an environment variable ``MUSTER_<FIELD>``.
    """

    model_config = SettingsConfigDict(env_prefix="MUSTER_", env_nested_delimiter="__", extra="forbid", frozen=True)

    server_url: str
    """Where the NATS server is, e.g. ``nats://127.0.0.1:4222``; all servers of a cluster, separated by commas."""
    identity: Path
    """Directory with this principal's keys."""
    anchor: Path
    """The operator's public keys: the one thing that a process must be given to trust the rest."""
    data: Path
    """Directory for what the process keeps; created if missing."""
    lease_s: float = Field(default=10.0, gt=0.5)
    """How long the process counts as alive after its last sign of life, in seconds. The first of the two time
    knobs. Shorter notices a death sooner; longer forgives a slower network. Renewed every third of it."""
    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""
    trace_file: Path | None = None
    """Where spans are appended as JSON lines; ``None`` for nowhere."""
    s3: S3Settings | None = None
    """An S3-compatible store for large models: ``endpoint``, ``bucket``, ``region``, ``from_bytes``, ``credentials``
    (a JSON file with this principal's key) and ``ca``; see ``docs/how-to/large-models.md``. ``None`` for none."""

    @property
    def s3_from_bytes(self) -> int | None:
        """Bodies of this size and more go to S3; ``None`` where there is no such store."""
        return None if self.s3 is None else self.s3.from_bytes

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what the file says."""
        return env_settings, init_settings

    @classmethod
    def load(cls, file: Path) -> Self:
        """Settings from a YAML file and the environment.

        Raises:
            Configuration: The file is missing or wrong; every wrong field is named.
        """
        try:
            content = yaml.safe_load(file.read_text()) or {}
            return cls(**content)
        except OSError as error:
            raise Configuration(f"the settings file {file} cannot be read", code="settings.missing") from error
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise Configuration(f"settings in {file} are wrong: {wrong}", code="settings.invalid") from error
        except (yaml.YAMLError, TypeError) as error:
            raise Configuration(f"settings in {file} are not a YAML mapping", code="settings.invalid") from error
