"""One behaviour suite, two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.ingest.mariadb import MariaDb, running_mariadb


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A real server for the whole session; each test takes a database of its own."""
    with running_mariadb() as server:
        yield server


@pytest.fixture(params=["sqlite", "mariadb"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server: MariaDb = request.getfixturevalue("mariadb")
    with server.database() as name:
        yield server.url(name)
