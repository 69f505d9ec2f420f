"""Sets up a federation: keys for everybody, settings for every process. Safe to repeat."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import yaml

from bus.errors import Configuration, Invalid
from bus.events import Role
from bus.events.base import FEDERATION, OwnerId, PrincipalId
from bus.identity.directory import Principal
from bus.identity.keys import Identity
from bus.jetstream.server import free_port
from bus.wire.subjects import token
from muster.federation.layout import OPERATOR, SERVICES, Description, Layout
from muster.federation.store import Store

_SHARE_OF_FREE_DISK: Final = 0.7
_LEAST_DISK_BYTES: Final = 256 * 1024 * 1024
_MOST_DISK_BYTES: Final = 64 * 1024**3


def create(
    directory: Path,
    *,
    edges: tuple[str, ...],
    vendors: tuple[str, ...],
    port: int | None = None,
    lease_s: float = 10.0,
    store: Store | None = None,
) -> Layout:
    """Set up a federation in ``directory``, or return the one that is there.

    Args:
        directory: Empty, missing, or a federation with the same edges and vendors.
        edges: Names of the edges.
        vendors: Names of the vendors; each one's principal is named after it.
        port: Of the NATS server; ``None`` picks a free one.
        lease_s: How long a process counts as alive after its last sign of life.
        store: An S3-compatible store for large models; ``None`` leaves it as it is.

    Raises:
        Invalid: A name cannot be used, or stands for two things.
        Configuration: The directory holds something else, or the disk is too full.
    """
    _check_names(edges, vendors)
    layout = Layout(directory)
    if layout.exists:
        return _existing(layout, edges, vendors, port, store)
    if layout.directory.exists() and any(layout.directory.iterdir()):
        raise Configuration(
            f"{layout.directory} is not empty and holds no federation: choose another directory",
            code="federation.directory",
        )
    layout.directory.mkdir(parents=True, exist_ok=True)
    description = Description(
        name=layout.directory.name,
        port=port or free_port(),
        edges=edges,
        vendors=vendors,
        lease_s=lease_s,
        disk_bytes=_disk_budget(layout.directory),
    )
    _make_keys(layout, description)
    if store is not None:
        description = store.given_to(layout, description)
    write_settings(layout, description)
    layout.write(description)
    return layout


def write_settings(layout: Layout, description: Description) -> None:
    """Write the settings file of every service and edge."""
    for principal in (*SERVICES, *description.edges):
        content: dict[str, object] = {
            "server_url": description.url,
            "identity": str(layout.identity(principal)),
            "anchor": str(layout.anchor),
            "data": str(layout.data(principal)),
            "lease_s": description.lease_s,
            "trace_file": str(layout.traces(principal)),
        }
        if principal in description.edges:
            content["store_url"] = layout.store_url(principal)
        if (s3 := layout.s3(principal, description)) is not None:
            content["s3"] = s3.model_dump(mode="json", exclude_none=True)
        path = layout.settings(principal)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def role_of(principal: str, description: Description) -> tuple[Role, OwnerId]:
    """What a principal of this federation is, and whose."""
    if principal in description.vendors:
        return Role.VENDOR, OwnerId(principal)
    if principal in description.edges:
        return Role.EDGE, FEDERATION
    return Role(principal), FEDERATION


def _make_keys(layout: Layout, description: Description) -> None:
    for principal in description.principals:
        role, owner = role_of(principal, description)
        Identity.generate(PrincipalId(principal), role, owner).save(layout.identity(principal))
    Principal.of(Identity.load(layout.identity(OPERATOR))).save(layout.anchor)


def _check_names(edges: tuple[str, ...], vendors: tuple[str, ...]) -> None:
    names = (OPERATOR, *SERVICES, FEDERATION, *edges, *vendors)
    for name in (*edges, *vendors):
        token(name, "the name")
        if names.count(name) > 1:
            raise Invalid(
                f"the name {name!r} stands for two things: edges and vendors need names of their own, other than "
                f"{', '.join((OPERATOR, *SERVICES, FEDERATION))}",
                code="federation.names",
            )
    if not edges:
        raise Invalid("a federation needs at least one edge", code="federation.names")


def _existing(
    layout: Layout, edges: tuple[str, ...], vendors: tuple[str, ...], port: int | None, store: Store | None
) -> Layout:
    description = layout.read()
    if set(description.edges) != set(edges) or set(description.vendors) != set(vendors):
        raise Configuration(
            f"the federation in {layout.directory} has edges {', '.join(description.edges)} and vendors "
            f"{', '.join(description.vendors)}: start it as it is, or set up another one elsewhere",
            code="federation.exists",
        )
    if store is not None or (port is not None and port != description.port):
        description = description.model_copy(update={"port": port or description.port})
        if store is not None:
            description = store.given_to(layout, description)
        write_settings(layout, description)
        layout.write(description)
    return layout


def _disk_budget(directory: Path) -> int:
    free = shutil.disk_usage(directory).free
    budget = min(int(free * _SHARE_OF_FREE_DISK), _MOST_DISK_BYTES)
    if budget < _LEAST_DISK_BYTES:
        raise Configuration(
            f"only {free // 1024**2} MiB are free for {directory}: a federation needs at least "
            f"{int(_LEAST_DISK_BYTES / _SHARE_OF_FREE_DISK) // 1024**2} MiB",
            code="federation.disk",
        )
    return budget
