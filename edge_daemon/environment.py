"""What a result may depend on besides its inputs."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from bus.events.base import Digest

_PACKAGES: Final = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "tensorflow-cpu",
    "tensorflow",
    "keras",
    "safetensors",
    "zstandard",
)


def environment() -> Digest:
    """Digest of interpreter, platform and packages."""
    facts = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = ""
    return Digest(f"sha256:{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}")
