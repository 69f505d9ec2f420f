"""Members: rows of the first axis that edges contribute, such as the trees of a forest. They are joined, not averaged.

A tensor's reduction says so: ``union``, or ``union:<group>``. The tensors of a group belong together, member k of each
to member k of the others, so that they have one number of members; ``union`` alone is the group ``members``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from bus.errors import Invalid

UNION: Final = "union"
GROUP: Final = "members"
"""The group of tensors that name none."""
MOST: Final = 2**40
"""Members of one group: their number is no reason to believe a header that says more."""
_REDUCTION: Final = re.compile(r"union(?::([a-z0-9_.-]{1,64}))?")


class Shaped(Protocol):
    """What has members: a tensor."""

    @property
    def name(self) -> str:
        """For errors."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The first axis counts members."""
        ...

    @property
    def reduction(self) -> str:
        """Says which group it belongs to, if any."""
        ...


def group_of(reduction: str) -> str | None:
    """The group of a tensor with this reduction; ``None`` if it has no members.

    Raises:
        Invalid: It begins like a union and names no group.
    """
    if not reduction.startswith(UNION):
        return None
    found = _REDUCTION.fullmatch(reduction)
    if found is None:
        raise Invalid(
            f"the reduction {reduction[:80]!r} names no group of members: expected 'union' or 'union:<group>', the "
            "group of up to 64 small letters, digits, dots, underscores and hyphens",
            code="weights.reduction",
        )
    return found[1] or GROUP


def counted(tensors: Iterable[Shaped]) -> dict[str, int]:
    """Group -> number of members.

    Raises:
        Invalid: Tensors of a group disagree, one has no axis to count along, or the number is absurd.
    """
    found: dict[str, tuple[str, int]] = {}
    for tensor in tensors:
        group = group_of(tensor.reduction)
        if group is None:
            continue
        if not tensor.shape:
            raise Invalid(
                f"tensor {tensor.name[:80]!r} is a scalar: a union needs a first axis, with a row per member",
                code="weights.members",
            )
        other, members = found.setdefault(group, (tensor.name, tensor.shape[0]))
        if tensor.shape[0] != members:
            raise Invalid(
                f"tensor {tensor.name[:80]!r} has {tensor.shape[0]} members and {other[:80]!r} has {members}, but both "
                f"belong to the group {group!r}: all of a group need the same number",
                code="weights.members",
            )
        if members > MOST:
            raise Invalid(
                f"tensor {tensor.name[:80]!r} has {members} members; at most {MOST} can be counted",
                code="weights.members",
            )
    return {group: members for group, (_, members) in sorted(found.items())}


def told(members: Mapping[str, int]) -> str:
    """Numbers of members, for humans."""
    return ", ".join(f"{count} of {group!r}" for group, count in sorted(members.items())) or "none"
