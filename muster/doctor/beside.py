"""The store for large models: tried as the operator, and the verdict on it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bus.errors import MusterError
from bus.s3.settings import stores
from muster.doctor.facts import Beside, Finding, State
from muster.federation.layout import OPERATOR, Description, Layout
from muster.federation.store import first_write_stays

_CHECK: Final = "large models"
_OTHERS: Final = 0o077
_MEANING: Final = "cycles whose weights lie there wait or fail; everything else goes on"


async def tried(layout: Layout, description: Description) -> Beside | None:
    """What the store does with an object that is written twice and removed again; ``None`` if there is no store."""
    if description.s3 is None:
        return None
    where = f"{description.s3.endpoint}/{description.s3.bucket}"
    files = [layout.s3_credential(name) for name in description.principals]
    exposed = tuple(path for path in files if _readable(path))
    if (settings := layout.s3(OPERATOR, description)) is None:
        trouble = f"the operator has no S3 key: {layout.s3_credential(OPERATOR)} is missing"
        return Beside(where, code="s3.credentials", trouble=trouble, exposed=exposed)
    try:
        (store,) = stores(settings).values()
        return Beside(where, await first_write_stays(store), exposed=exposed)
    except MusterError as error:
        return Beside(where, code=error.code, trouble=error.message, exposed=exposed)


def _readable(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def verdict(facts: Beside | None) -> list[Finding]:
    """Whether the store works and keeps what is written first. Pure."""
    if facts is None:
        return []
    findings = [
        Finding(
            _CHECK,
            State.BROKEN,
            f"{path} can be read by others",
            "others on this machine can write and remove sealed weights",
            f"chmod 600 {path}",
        )
        for path in facts.exposed
    ]
    if facts.code:
        findings.append(Finding(_CHECK, State.BROKEN, facts.trouble, _MEANING, f"muster errors {facts.code}"))
    elif not facts.keeps:
        found = f"the store {facts.where} replaces what is written a second time"
        meaning = "a writer can take back its own weights; seals and digests tell"
        findings.append(Finding(_CHECK, State.WARNING, found, meaning, "take a store that knows 'If-None-Match: *'"))
    return findings or [Finding(_CHECK, State.OK, f"{facts.where} stores, and keeps what is written first")]
