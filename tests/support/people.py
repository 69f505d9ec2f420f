"""Principals for tests: everybody with keys, and a directory that knows them."""

from __future__ import annotations

from functools import cache

from bus.events import Role
from bus.events.base import FEDERATION, OwnerId, PrincipalId
from bus.events.principals import PrincipalRegistered
from bus.identity.directory import Directory, Principal
from bus.identity.keys import Identity

ROLES = {
    "operator": Role.OPERATOR,
    "coordinator": Role.COORDINATOR,
    "aggregator": Role.AGGREGATOR,
    "policy_engine": Role.POLICY_ENGINE,
    "audit_sink": Role.AUDIT_SINK,
    "hospital-a": Role.EDGE,
    "hospital-b": Role.EDGE,
    "hospital-c": Role.EDGE,
    "acme": Role.VENDOR,
    "globex": Role.VENDOR,
}


@cache
def identity(name: str) -> Identity:
    """The keys of somebody; the same within one test process."""
    role = ROLES[name]
    owner = OwnerId(name) if role is Role.VENDOR else FEDERATION
    return Identity.generate(PrincipalId(name), role, owner)


def registration(name: str, revision: int = 1, keys: Identity | None = None) -> PrincipalRegistered:
    """What the operator says to register somebody."""
    public = Principal.of(keys or identity(name))
    return PrincipalRegistered(
        principal=public.principal,
        revision=revision,
        role=public.role,
        owner=public.owner,
        signing_key=public.signing_key,
        sealing_key=public.sealing_key,
    )


def anchor() -> Principal:
    """The operator's public part."""
    return Principal.of(identity("operator"))


def directory() -> Directory:
    """A directory that knows everybody."""
    known = Directory(anchor())
    for name in ROLES:
        if name != "operator":
            known.learn(registration(name))
    return known
