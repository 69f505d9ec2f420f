"""Which federation is meant, and as whom: from arguments, the environment, the directory, or a file of profiles.

The first of these that says something decides:

1. arguments: ``directory=``, ``profile=``;
2. the environment: ``MUSTER_PROFILE``, ``MUSTER_FEDERATION`` (a directory), or ``MUSTER_SERVER_URL`` with
   ``MUSTER_IDENTITY`` and ``MUSTER_ANCHOR``;
3. a federation in the working directory or above, as on the command line;
4. the profile ``default`` of the file of profiles.

The file is ``$MUSTER_PROFILES``, or ``muster/profiles.toml`` in ``$XDG_CONFIG_HOME`` or ``~/.config``. A table each::

    [default]
    directory = "/home/me/federation"       # of `muster up`; principal = "acme" if it has several vendors

    [hospital]
    server_url = "tls://nats.example.org:4222"
    identity = "/home/me/keys/acme"         # directory with this principal's keys
    anchor = "/home/me/keys/anchor.json"    # the operator's public keys
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from bus.errors import Configuration, NotFound
from bus.s3.settings import S3Settings
from bus.suggestions import did_you_mean
from muster.client import Access
from muster.federation.layout import Layout

DEFAULT: Final = "default"
DIRECTORY: Final = "MUSTER_FEDERATION"
PROFILE: Final = "MUSTER_PROFILE"
FILE: Final = "MUSTER_PROFILES"
_REMOTE: Final = {name: f"MUSTER_{name.upper()}" for name in ("server_url", "identity", "anchor")}


class Profile(BaseModel):
    """One way to one federation: its directory, or its server with keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: Path | None = None
    """Of a federation on this machine."""
    principal: str | None = None
    """As whom, in that directory; its only vendor if left out."""
    server_url: str | None = None
    """Where the NATS server is; all servers of a cluster, separated by commas."""
    identity: Path | None = None
    """Directory with the principal's keys."""
    anchor: Path | None = None
    """File with the operator's public keys."""
    s3: S3Settings | None = None
    """The store for large models, if the federation has one."""

    @model_validator(mode="after")
    def _one_way(self) -> Profile:
        given = [each is not None for each in (self.server_url, self.identity, self.anchor)]
        if any(given) if self.directory is not None else not all(given):
            raise ValueError("expected either directory, or server_url, identity and anchor")
        return self

    def access(self, principal: str | None = None) -> Access:
        """What it takes to connect.

        Args:
            principal: As whom, instead of the profile's.

        Raises:
            NotFound: There is no federation in the directory.
            Invalid: There is no such principal, or several vendors to choose from.
            Configuration: The keys are somebody else's.
        """
        if self.identity is not None and principal is not None:
            raise Configuration(
                f"the keys in {self.identity} say who connects: leave the principal {principal!r} out",
                code="profile.invalid",
            )
        if self.server_url is not None and self.identity is not None and self.anchor is not None:
            return Access(self.server_url, self.identity.expanduser(), self.anchor.expanduser(), self.s3)
        assert self.directory is not None
        return Access.of(Layout.find(self.directory.expanduser()), principal or self.principal)


def chosen(
    environment: Mapping[str, str],
    *,
    directory: Path | str | None = None,
    profile: str | None = None,
    here: Path | None = None,
) -> Profile:
    """The federation that is meant; see the module.

    Args:
        environment: Variables.
        directory: Where it is, if that was said.
        profile: Which one of the file, if that was said.
        here: Where to look for one without being told; the working directory if left out.

    Raises:
        NotFound: None is meant, or there is no such profile.
        Configuration: Both were said, or the file of profiles is wrong.
    """
    if directory is not None and profile is not None:
        raise Configuration("a directory and a profile were named: name one of them", code="profile.invalid")
    if directory is not None:
        return Profile(directory=Path(directory))
    if (name := profile or environment.get(PROFILE)) is not None:
        return _named(name, environment)
    if DIRECTORY in environment:
        return Profile(directory=Path(environment[DIRECTORY]))
    given = {field: environment[name] for field, name in _REMOTE.items() if name in environment}
    if given:
        return _profile(given, "the environment (MUSTER_SERVER_URL, MUSTER_IDENTITY, MUSTER_ANCHOR)")
    try:
        return Profile(directory=Layout.find(here or Path.cwd()).directory)
    except NotFound as error:
        if DEFAULT in _profiles(environment):
            return _named(DEFAULT, environment)
        raise NotFound(f"{error.message}, or write a profile to {_file(environment)}", code=error.code) from None


def _named(name: str, environment: Mapping[str, str]) -> Profile:
    known = _profiles(environment)
    if name not in known:
        hint = did_you_mean(name, known) if known else "it has none"
        raise NotFound(f"there is no profile {name!r} in {_file(environment)}; {hint}", code="profile.missing")
    return _profile(known[name], f"the profile {name!r} in {_file(environment)}")


def _profile(content: Any, where: str) -> Profile:  # noqa: ANN401 - not read yet
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(
            ": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, "))))
            for each in error.errors(include_input=False)
        )
        raise Configuration(f"{where} cannot be used: {wrong}", code="profile.invalid") from None


def _profiles(environment: Mapping[str, str]) -> dict[str, Any]:
    file = _file(environment)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Configuration(f"the profiles in {file} cannot be read: {error}", code="profile.invalid") from error


def _file(environment: Mapping[str, str]) -> Path:
    if FILE in environment:
        return Path(environment[FILE])
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "muster" / "profiles.toml"
