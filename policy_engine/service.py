"""The policy engine as a process: it answers every submission and holds what may not run."""

from __future__ import annotations

from collections.abc import Mapping

from bus.runtime.deciding import Decider
from bus.runtime.service import Context, Task
from bus.runtime.settings import ServiceSettings
from policy_engine.domain.world import World


class PolicyEngineSettings(ServiceSettings):
    """Settings of the policy engine: those that every service has. Rules are events, not settings."""


async def build(context: Context[PolicyEngineSettings]) -> Mapping[str, Task]:
    """Bring the rules up to date with the log; returns the root tasks."""
    decider = Decider(context, World())
    await decider.catch_up()
    return {"events": decider.follow}
