"""Settings of an edge."""

from __future__ import annotations

from pydantic import Field

from bus.runtime.settings import ServiceSettings
from training.plan import Limits
from training.worker.sandbox import Isolation


class EdgeSettings(ServiceSettings):
    """What an edge daemon needs besides what every service has."""

    store_url: str
    """SQLAlchemy URL of the owner's data store, with an asynchronous driver, e.g. ``sqlite+aiosqlite:////data/store.sqlite``
    or ``mysql+aiomysql://user:password@host/database``."""
    workers: int = Field(default=1, ge=1)
    """Most workers at once. More finishes several experiments side by side, and needs the memory of all."""
    limits: Limits | None = None
    """Most that one worker may use here, whatever the vendor's plan says; ``None`` leaves it to the plan."""
    isolation: Isolation | None = None
    """What keeps workers in; ``None`` takes the best that works here. With a value, the daemon refuses to start
    where that does not work."""

    def bounded(self, wanted: Limits) -> Limits:
        """``wanted``, within the owner's limits."""
        if self.limits is None:
            return wanted
        own = self.limits.model_dump()
        return Limits.model_validate({name: min(value, own[name]) for name, value in wanted.model_dump().items()})
