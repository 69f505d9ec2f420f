"""Whether weights that are gone were let go by a rule, and when: the log says so, the store only that they are gone."""

from __future__ import annotations

import re
from typing import Final

from bus.errors import Invalid
from bus.events.base import ExperimentId, OwnerId
from bus.events.custody import WeightsReleased
from bus.wire import subjects
from muster.client import Client

_OBJECT: Final = re.compile(r"(update|model|state)-(\d+-[a-z]+)-\d+-\d+")


class Releases:
    """What the log says about bodies that are no longer kept; reads each experiment's releases once.

    Args:
        client: Reads them.
        owner: Of the experiments.
    """

    def __init__(self, client: Client, owner: OwnerId) -> None:
        self._client = client
        self._owner = owner
        self._known: dict[str, dict[tuple[str, str], str]] = {}

    async def why(self, address: str) -> str:
        """When and why the body at ``address`` was let go, as a clause; empty if it was not."""
        try:
            _, _, experiment, name = subjects.address_parts(address)
        except Invalid:
            return ""
        told = _OBJECT.fullmatch(name)
        if told is None:
            return ""
        if experiment not in self._known:
            self._known[experiment] = await self._read(ExperimentId(experiment))
        return self._known[experiment].get(("update" if told[1] == "update" else "outcome", told[2]), "")

    async def _read(self, experiment: ExperimentId) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        filter_ = subjects.said(WeightsReleased, owner=self._owner, entity_id=experiment)
        async for record in self._client.read(filter_):
            body = record.body
            if isinstance(body, WeightsReleased):
                clause = f"released on {record.stored_at:%Y-%m-%d}: {body.reason}"
                for what, steps in (("update", body.updates), ("outcome", body.outcomes)):
                    for step in steps:
                        found.setdefault((what, step), clause)
        return found
