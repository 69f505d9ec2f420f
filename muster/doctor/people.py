"""Verdicts on those who work: leases, clocks, edges, backlog, experiments, dead letters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from muster.doctor.facts import ConsumerFacts, Finding, Lease, State, Waiting
from muster.federation.layout import Layout

DRIFT_S: Final = 2.0
"""A clock that is this far off makes deadlines and leases unfair."""
LOST_S: Final = 60.0
"""A clock that is this far off makes them meaningless."""
BEST_ISOLATION: Final = "bubblewrap"


def services(leases: Mapping[str, Lease], expected: Sequence[str], layout: Layout) -> list[Finding]:
    """Whether every process of a service or an edge has given a sign of life in time."""
    findings = []
    for name in expected:
        lease = leases.get(name)
        if lease is not None and lease.age_s <= lease.valid_s:
            continue
        found = (
            f"{name} never gave a sign of life"
            if lease is None
            else f"{name} gave its last sign of life {lease.age_s:.0f} s ago; its lease holds {lease.valid_s:g} s"
        )
        meaning = "it does not run, hangs, or does not reach the broker"
        findings.append(Finding("services", State.BROKEN, found, meaning, f"read {layout.log(name)}, then restart it"))
    return findings or [Finding("services", State.OK, f"{', '.join(expected)}: alive")]


def clocks(leases: Mapping[str, Lease]) -> list[Finding]:
    """Whether clocks agree with the broker's."""
    findings = []
    for name, lease in sorted(leases.items()):
        off = abs(lease.ahead_s)
        if off <= DRIFT_S:
            continue
        found = f"the clock of {name} is {off:.1f} s {'ahead of' if lease.ahead_s > 0 else 'behind'} the broker's"
        state = State.BROKEN if off > LOST_S else State.WARNING
        meaning = "deadlines and leases mean nothing there" if off > LOST_S else "it sees deadlines early or late"
        findings.append(Finding("clocks", state, found, meaning, "let NTP set the clock of that machine"))
    worst = max((abs(lease.ahead_s) for lease in leases.values()), default=None)
    text = "no lease to compare with" if worst is None else f"at most {worst:.2f} s from the broker's"
    return findings or [Finding("clocks", State.OK, text)]


def edges(
    isolation: Mapping[str, str], datasets: Mapping[str, tuple[str, ...]], expected: Sequence[str]
) -> list[Finding]:
    """Whether edges have enrolled, keep workers well apart, and hold data."""
    findings = []
    for edge in expected:
        kind = isolation.get(edge)
        if kind is None:
            meaning, remedy = "the coordinator gives it no work", "see 'services'; it enrols when it starts"
            findings.append(Finding("edges", State.BROKEN, f"{edge} never enrolled", meaning, remedy))
        elif kind != BEST_ISOLATION:
            meaning = "a vendor's code is kept apart less well than it could be"
            remedy = f"install {BEST_ISOLATION} at {edge}, set isolation: {BEST_ISOLATION}, restart it"
            findings.append(Finding("edges", State.WARNING, f"{edge} isolates with {kind}", meaning, remedy))
    empty = [edge for edge in expected if not datasets.get(edge)]
    if empty:
        # A hint: an edge without data is in order, it only has nothing to do.
        found, meaning = f"no dataset at {', '.join(empty)}", "no experiment can use them yet"
        findings.append(Finding("edges", State.OK, found, meaning, "muster ingest"))
    return findings or [Finding("edges", State.OK, f"{', '.join(expected)}: enrolled, {BEST_ISOLATION}, with data")]


def backlog(facts: Sequence[ConsumerFacts]) -> list[Finding]:
    """Whether work is taken as fast as it comes: no more may wait than can be under way."""
    findings = []
    for consumer in facts:
        if consumer.waiting <= consumer.spec.max_ack_pending:
            continue
        found = f"{consumer.waiting} messages wait for {consumer.holder}, {consumer.under_way} are under way"
        meaning, remedy = "it takes work more slowly than it comes", f"see 'services' and the log of {consumer.holder}"
        findings.append(Finding("backlog", State.WARNING, found, meaning, remedy))
    counts = ", ".join(f"{c.holder} {c.waiting + c.under_way}" for c in facts if c.config is not None)
    return findings or [Finding("backlog", State.OK, f"open messages: {counts or 'none'}")]


def experiments(waiting: Sequence[Waiting]) -> list[Finding]:
    """Which experiments wait, and whether anybody works for them meanwhile."""
    findings = []
    for each in waiting:
        found = f"{each.experiment} waits: {each.reason}"
        if each.moving:
            findings.append(Finding("experiments", State.OK, found))
        else:
            remedy = f"muster explain {each.experiment}"
            findings.append(Finding("experiments", State.WARNING, found, "it does not move until then", remedy))
    return findings or [Finding("experiments", State.OK, "none waits")]


def dead_letters(counts: Mapping[tuple[str, str], int]) -> list[Finding]:
    """Whether services met messages that they could not use."""
    findings = []
    for (service, code), count in sorted(counts.items()):
        noun = "message" if count == 1 else "messages"
        found, meaning = f"{service} could not use {count} {noun}: {code}", "it went on without"
        remedy = f"muster deadletters list --service {service} --code {code}"
        findings.append(Finding("dead letters", State.WARNING, found, meaning, remedy))
    return findings or [Finding("dead letters", State.OK, "none")]
