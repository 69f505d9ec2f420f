"""What an edge says about itself when it starts."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version

from bus.events.base import PrincipalId
from bus.events.principals import Capacity, EdgeEnrolled
from training.registry import Registry
from training.worker.sandbox import Isolation


def enrolment(edge: PrincipalId, registry: Registry, isolation: Isolation) -> EdgeEnrolled:
    """The event for this machine as it is now."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    facts = EdgeEnrolled(
        edge=edge,
        fingerprint="",
        release=version("muster-fl"),
        frameworks=tuple(sorted(name for name, framework in registry.frameworks.items() if framework.installed)),
        capacity=Capacity(cpus=len(os.sched_getaffinity(0)), memory_bytes=memory_bytes),
        isolation=isolation.value,
    )
    text = json.dumps(facts.model_dump(mode="json"), sort_keys=True)
    return facts.model_copy(update={"fingerprint": hashlib.sha256(text.encode()).hexdigest()[:16]})
