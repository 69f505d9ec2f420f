"""Verdicts on the machinery: server, streams, consumers, disk, keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bus.identity.directory import Principal
from bus.wire.topology import StreamName
from muster.doctor.facts import ConsumerFacts, Disk, Finding, Key, Server, State, StreamFacts
from muster.federation.layout import OPERATOR, Layout

SERIES: Final = (2, 15)
"""Releases of nats-server that Muster is tested with: major and minor number."""

NEARLY_FULL: Final = 0.8
FULL: Final = 0.95
_OTHERS: Final = 0o077
_SIZES: Final = frozenset({"max_age", "max_bytes", "max_consumers", "max_msg_size", "num_replicas", "max_ack_pending"})
"""Settings that say how much; all others say what is promised."""


def server(facts: Server, layout: Layout) -> list[Finding]:
    """Whether the broker answers, and is one that we know."""
    if facts.code:
        return [_unanswered(facts, layout)]
    found = f"nats-server {facts.version or 'of unknown version'} answers at {facts.url}"
    numbers = re.match(r"(\d+)\.(\d+)\.", facts.version or "")
    if numbers is None:
        return [Finding("server", State.OK, found)]
    series = (int(numbers[1]), int(numbers[2]))
    wanted = f"{SERIES[0]}.{SERIES[1]}.x"
    if series == SERIES:
        return [Finding("server", State.OK, found)]
    remedy = f"install nats-server {wanted} and start the federation again"
    if series < SERIES:
        return [Finding("server", State.BROKEN, found, f"older than {wanted}: it lacks what streams rely on", remedy)]
    return [Finding("server", State.WARNING, found, f"newer than {wanted}, which Muster is tested with", remedy)]


def _unanswered(facts: Server, layout: Layout) -> Finding:
    if facts.code == "broker.away":
        meaning, remedy = "nothing moves, and only files can be checked", f"muster up {layout.directory}"
    elif facts.code.startswith("identity."):
        meaning, remedy = "the broker was not asked: that takes the operator's keys", "see 'keys'"
    elif facts.code == "broker.credential":
        meaning = "another federation's server is at this port, or the operator's keys were replaced"
        remedy = f"stop what uses the port, or restore the keys; then muster up {layout.directory}"
    else:
        meaning, remedy = "the broker answers, but not as it should", f"read {layout.nats / 'server.log'}"
    return Finding("server", State.BROKEN, facts.trouble, meaning, remedy)


def streams(facts: Sequence[StreamFacts], layout: Layout) -> list[Finding]:
    """Whether all streams are there, configured as they should be."""
    return _configured("streams", {f.spec.name.value: (f.wanted, f.config) for f in facts}, layout)


def consumers(facts: Sequence[ConsumerFacts], layout: Layout) -> list[Finding]:
    """Whether all durable consumers are there, configured as they should be."""
    return _configured("consumers", {f.spec.name: (f.wanted, f.config) for f in facts}, layout)


def _configured(
    check: str, facts: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any] | None]], layout: Layout
) -> list[Finding]:
    remedy = f"stop the federation and start it again: muster up {layout.directory}"
    findings = []
    for name, (wanted, config) in facts.items():
        if config is None:
            meaning = "what belongs there is refused or never taken"
            findings.append(Finding(check, State.BROKEN, f"{name} is missing", meaning, remedy))
            continue
        for key, found in _differences(wanted, config):
            state = State.WARNING if key in _SIZES else State.BROKEN
            meaning = "holds more or less than planned" if key in _SIZES else "does not keep what it promises"
            findings.append(Finding(check, state, f"{name}: {found}", meaning, remedy))
    return findings or [Finding(check, State.OK, f"{', '.join(facts)}: as they should be")]


def _differences(wanted: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in wanted.items():
        # The server leaves out what is not set.
        found = config.get(key)
        if found != value and (found or value):
            yield key, f"{key} is {found!r}, expected {value!r}"


def disk(facts: Disk, held: Sequence[StreamFacts]) -> list[Finding]:
    """Whether there is room: in the file system, and in every stream that refuses what is too much."""
    used = 1 - facts.free_bytes / facts.total_bytes if facts.total_bytes else 1.0
    text = f"the disk of {facts.directory} is {used:.0%} full, {_gib(facts.free_bytes)} free"
    findings = [_room(used, text, "free some space on this disk")]
    shares = {stream.spec.name: stream.size_bytes / limit for stream in held if (limit := _limit(stream))}
    for name, share in shares.items():
        remedy = "raise disk_bytes in federation.json, and start the federation again"
        if name is StreamName.WEIGHTS:
            remedy = f"let go of what nobody needs: muster policy keep models, muster purge ID; or {remedy}"
        findings.append(_room(share, f"stream {name} is {share:.0%} full", remedy))
    bad = [finding for finding in findings if finding.state is not State.OK]
    fullest = f"; streams hold up to {max(shares.values()):.0%} of their limits" if shares else ""
    return bad or [Finding("disk", State.OK, findings[0].found + fullest)]


def _limit(stream: StreamFacts) -> int:
    """Bytes at which a stream refuses more, or 0: one that discards what is old is full most of the time, and well."""
    limit = int((stream.config or {}).get("max_bytes") or 0)
    return max(0, limit) if stream.spec.write_once else 0


def _room(used: float, text: str, remedy: str) -> Finding:
    if used >= FULL:
        return Finding("disk", State.BROKEN, text, "the broker soon refuses everything that is to be stored", remedy)
    if used >= NEARLY_FULL:
        return Finding("disk", State.WARNING, text, "what is to be stored will be refused when it is full", remedy)
    return Finding("disk", State.OK, text)


def keys(
    facts: Sequence[Key], anchor: Principal | None, registered: Mapping[str, Principal] | None, layout: Layout
) -> list[Finding]:
    """Whether everybody's keys can be read, by nobody else, and are the ones that were registered.

    Args:
        facts: The keys.
        anchor: The operator's public keys; ``None`` if they cannot be read.
        registered: What the operator registered; ``None`` if that is not known now.
        layout: Where things are.
    """
    findings = [finding for key in facts for finding in _key(key, anchor, registered)]
    if anchor is None:
        found = f"{layout.anchor} cannot be read"
        findings.append(
            Finding("keys", State.BROKEN, found, "no process knows whom to believe", "copy it anew from the operator")
        )
    compared = "as registered" if registered is not None else "not compared with the log"
    return findings or [Finding("keys", State.OK, f"{len(facts)} identities: private, {compared}")]


def _key(key: Key, anchor: Principal | None, registered: Mapping[str, Principal] | None) -> Iterator[Finding]:
    if key.public is None:
        found, meaning = key.trouble or f"no keys in {key.path}", f"{key.principal} can neither connect nor sign"
        yield Finding("keys", State.BROKEN, found, meaning, "restore the file from a copy")
        return
    if key.mode is not None and key.mode & _OTHERS:
        found, meaning = f"{key.path} has mode {key.mode:03o}", f"others on this machine can speak as {key.principal}"
        yield Finding("keys", State.BROKEN, found, meaning, f"chmod 600 {key.path}")
    known = anchor if key.principal == OPERATOR else (registered or {}).get(key.principal)
    if known is None and registered is not None and key.principal != OPERATOR:
        found, meaning = f"{key.principal} is not registered", "nobody believes what it says"
        yield Finding("keys", State.BROKEN, found, meaning, "start the federation again: 'muster up' registers it")
    elif known is not None and _differs(known, key.public):
        found = f"the keys of {key.principal} are not those that were registered"
        yield Finding("keys", State.BROKEN, found, "nobody believes what it says", f"restore {key.path} from a copy")


def _differs(known: Principal, public: Principal) -> bool:
    return (known.signing_key, known.sealing_key, known.role) != (public.signing_key, public.sealing_key, public.role)


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
