"""Whether today's messages can still say what those of an earlier release said. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from bus.events import Body

Schema = dict[str, Any]
_PROSE = ("title", "description")
_CHOICES = ("anyOf", "oneOf", "allOf", "prefixItems")
_APART = {"properties", "required", "default", "items", "additionalProperties", "$defs", *_CHOICES}
ADVICE = "raise VERSION and add an upcaster"


def schemas(bodies: Iterable[type[Body]]) -> dict[str, Schema]:
    """Type -> its version and JSON schema, without prose."""
    return {
        body.TYPE: {"version": body.VERSION, "schema": bare(body.model_json_schema())}
        for body in sorted(bodies, key=lambda body: body.TYPE)
    }


def bare(schema: Any) -> Any:
    """``schema`` without titles and descriptions."""
    if isinstance(schema, list):
        return [bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        # What stands here are names of fields and models, whatever they are called.
        key: {name: bare(each) for name, each in value.items()} if key in {"properties", "$defs"} else bare(value)
        for key, value in schema.items()
        if key not in _PROSE
    }


def problems(
    then: Mapping[str, Schema], now: Mapping[str, Schema], upcasters: Collection[tuple[str, int]]
) -> list[str]:
    """Why messages of then cannot be read, or mean something else, now.

    Args:
        then: What a release recorded.
        now: The same of today.
        upcasters: (type, version) of the steps that exist.
    """
    found = []
    for name, old in then.items():
        new = now.get(name)
        if new is None:
            found.append(f"{name} is gone: what was said stays on the log, so its type stays in the catalogue")
        elif new["version"] < old["version"]:
            found.append(f"{name} has version {new['version']}, but {old['version']} was released already")
        elif new["version"] > old["version"]:
            steps = range(old["version"], new["version"])
            found += [f"{name} has no upcaster from version {s}: add one" for s in steps if (name, s) not in upcasters]
        else:
            found += [f"{name}: {each}: {ADVICE}" for each in changes(old["schema"], new["schema"])]
    return found


def changes(old: Schema, new: Schema) -> list[str]:
    """What of ``new`` is no mere extension of ``old``: anything but a further field with a default.

    A wider type counts too: an earlier release that reads along would refuse what it cannot know, and a new version
    tells it why.
    """
    old, new = bare(old), bare(new)
    return list(_compared(old, new, old.get("$defs", {}), new.get("$defs", {}), "", frozenset()))


def _compared(
    old: Schema, new: Schema, old_defs: Schema, new_defs: Schema, path: str, above: frozenset[tuple[str, str]]
) -> Iterator[str]:
    pair = (old.get("$ref", ""), new.get("$ref", ""))
    if all(pair) and pair in above:
        return
    above |= {pair}
    old, new = _resolved(old, old_defs), _resolved(new, new_defs)
    where = path or "the body"
    if _kind(old) != _kind(new):
        yield f"{where} was {_kind(old)} and is {_kind(new)}"
        return
    yield from _fields(old, new, old_defs, new_defs, path, above)
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            yield from _compared(old[key], new[key], old_defs, new_defs, f"{path}[]", above)
    for key in _CHOICES:
        for mine, theirs in zip(old.get(key, ()), new.get(key, ()), strict=True):
            yield from _compared(mine, theirs, old_defs, new_defs, path, above)


def _resolved(schema: Schema, defs: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "$ref"}
    return {**defs[schema["$ref"].rsplit("/", 1)[-1]], **rest}


def _kind(schema: Schema) -> str:
    """Everything that a value must be, besides what is compared one by one."""
    facts = {key: value for key, value in schema.items() if key not in _APART}
    facts |= {key: [each.get("type", "object") for each in schema[key]] for key in _CHOICES if key in schema}
    for key in ("items", "additionalProperties"):
        if key in schema:
            facts[key] = "some" if isinstance(schema[key], dict) else schema[key]
    if "properties" in schema:
        facts["fields"] = "fixed"
    if "enum" in facts:
        facts["enum"] = sorted(map(str, facts["enum"]))
    return ", ".join(f"{key} {value}" for key, value in sorted(facts.items())) or "anything"


def _fields(
    old: Schema, new: Schema, old_defs: Schema, new_defs: Schema, path: str, above: frozenset[tuple[str, str]]
) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name, node in before.items():
        place = f"{path}.{name}".lstrip(".")
        if name not in after:
            yield f"{place} is gone, or has another name"
            continue
        if name in new.get("required", ()) and name not in old.get("required", ()):
            yield f"{place} had a default and has none any more"
        elif ("default" in node, node.get("default")) != ("default" in after[name], after[name].get("default")):
            yield f"{place} has another default"
        yield from _compared(node, after[name], old_defs, new_defs, place, above)
    for name in sorted(after.keys() - before.keys()):
        if name in new.get("required", ()):
            yield f"{path}.{name}".lstrip(".") + " is new and has no default"
