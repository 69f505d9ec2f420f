"""What each principal needs at an S3-compatible store: least authority, by prefix.

The store's own configuration enforces it, not Muster. Wrapped keys lie at the broker, so whoever reads more chunks
than listed here still opens none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from bus.events import Role
from bus.identity.directory import Principal
from bus.s3.keys import ROOT


@dataclass(frozen=True)
class Access:
    """Prefixes of object keys.

    Attributes:
        read: Below which it may read objects.
        write: Below which it may write objects.
        manage: Whether it may list and delete everything.
        remove: Below which it lists and deletes, where the store tells that from writing.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    manage: bool = False
    remove: tuple[str, ...] = ()


def access(principal: Principal) -> Access:
    """What ``principal`` needs."""
    own = f"{ROOT}/{principal.principal}/"
    match principal.role:
        case Role.OPERATOR:
            return Access((f"{ROOT}/",), (f"{ROOT}/",), manage=True)
        case Role.AGGREGATOR:
            return Access((f"{ROOT}/",), (own,), remove=(f"{ROOT}/",))
        case Role.EDGE:
            return Access((f"{ROOT}/{Role.AGGREGATOR}/",), (own,))
        case Role.VENDOR:
            return Access((f"{ROOT}/{Role.AGGREGATOR}/{principal.owner}/",), (own,))
        case _:
            return Access()
