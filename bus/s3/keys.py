"""Object keys: the tokens of a subject, the actor first, so that each principal has one prefix of its own."""

from __future__ import annotations

from typing import Final

from bus.errors import Invalid

ROOT: Final = "w"
_WILD: Final = frozenset({"*", ">"})
_ACTOR: Final = 2


def key(subject: str) -> str:
    """Object key for the subject of a chunk.

    Raises:
        Invalid: It is not the subject of one.
    """
    family, *tokens = subject.split(".")
    if family != ROOT or len(tokens) <= _ACTOR or not all(tokens):
        raise Invalid(
            f"{subject[:200]!r} is not the subject of a chunk (w.<owner>.<actor>.<experiment>.<object>...)",
            code="subject.form",
        )
    owner, actor, *rest = tokens
    return "/".join((ROOT, actor, owner, *rest))


def subject(key: str) -> str | None:
    """The subject of an object; ``None`` if it is none of ours."""
    family, *tokens = key.split("/")
    if family != ROOT or len(tokens) <= _ACTOR:
        return None
    actor, owner, *rest = tokens
    return ".".join((ROOT, owner, actor, *rest))


def prefix(filter_: str) -> str:
    """The longest folder that holds everything under a filter."""
    family, *tokens = filter_.split(".")
    ordered = [family, *reversed(tokens[:_ACTOR]), *tokens[_ACTOR:]]
    fixed = []
    for token in ordered[:-1]:
        if token in _WILD:
            break
        fixed.append(token)
    return "/".join(fixed) or ROOT
