"""Both databases, for tests with real processes."""

from __future__ import annotations

from contracts.ingest.conftest import mariadb, store_url

__all__ = ["mariadb", "store_url"]
