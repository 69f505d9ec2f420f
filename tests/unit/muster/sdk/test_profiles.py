"""Which federation is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import Configuration, Invalid, NotFound
from muster.federation.create import create
from muster.sdk.profiles import Profile, chosen

FILE = """
[default]
directory = "/somewhere"

[hospital]
server_url = "tls://nats.example.org:4222"
identity = "/keys/acme"
anchor = "/keys/anchor.json"

[half]
server_url = "tls://nats.example.org:4222"

[both]
directory = "/somewhere"
identity = "/keys/acme"

[typo]
directry = "/somewhere"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables that name a file of profiles."""
    (tmp_path / "profiles.toml").write_text(FILE)
    return {"MUSTER_PROFILES": str(tmp_path / "profiles.toml")}


def test_arguments_win_over_the_environment(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {"MUSTER_PROFILE": "hospital", "MUSTER_FEDERATION": "/elsewhere"}
    assert chosen(environment, directory="/here", here=tmp_path).directory == Path("/here")
    assert chosen(environment, profile="default", here=tmp_path).directory == Path("/somewhere")
    assert chosen(environment, here=tmp_path).server_url == "tls://nats.example.org:4222"
    del environment["MUSTER_PROFILE"]
    assert chosen(environment, here=tmp_path).directory == Path("/elsewhere")


def test_the_environment_can_say_all(tmp_path: Path) -> None:
    said = {"MUSTER_SERVER_URL": "nats://n:4222", "MUSTER_IDENTITY": "/k", "MUSTER_ANCHOR": "/a"}
    access = chosen(said, here=tmp_path).access()
    assert (access.server_url, access.identity, access.anchor) == ("nats://n:4222", Path("/k"), Path("/a"))
    with pytest.raises(Configuration, match=r"MUSTER_ANCHOR.*expected either"):
        chosen({"MUSTER_SERVER_URL": "nats://n:4222"}, here=tmp_path)


def test_a_federation_here_wins_over_the_default(environment: dict[str, str], tmp_path: Path) -> None:
    layout = create(tmp_path / "federation", edges=("a",), vendors=("acme", "globex"))
    (layout.directory / "below").mkdir()
    found = chosen(environment, here=layout.directory / "below")
    assert found.directory == layout.directory
    assert found.access("globex").identity == layout.identity("globex")
    with pytest.raises(Invalid, match="acme, globex"):
        found.access()
    assert chosen(environment, here=tmp_path).directory == Path("/somewhere")


def test_without_any_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"muster up DIR.*profiles\.toml"):
        chosen({"XDG_CONFIG_HOME": str(tmp_path)}, here=tmp_path)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("hopsital", NotFound, "did you mean 'hospital'"),
        ("half", Configuration, "'half' in .*: expected either directory, or server_url, identity and anchor"),
        ("both", Configuration, "expected either"),
        ("typo", Configuration, "directry: Extra inputs"),
    ],
)
def test_wrong_profiles_are_named(
    environment: dict[str, str], tmp_path: Path, name: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        chosen(environment, profile=name, here=tmp_path)


def test_what_contradicts_itself_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Configuration, match="name one of them"):
        chosen(environment, directory="/here", profile="hospital", here=tmp_path)
    with pytest.raises(Configuration, match="leave the principal 'acme' out"):
        chosen(environment, profile="hospital", here=tmp_path).access("acme")
    Path(environment["MUSTER_PROFILES"]).write_text("[default")
    with pytest.raises(Configuration, match="cannot be read"):
        chosen(environment, profile="hospital", here=tmp_path)


def test_every_field_is_known() -> None:
    assert set(Profile.model_fields) == {"directory", "principal", "server_url", "identity", "anchor", "s3"}
