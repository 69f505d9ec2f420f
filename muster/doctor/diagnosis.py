"""The verdict on a federation: every check, on facts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from muster.doctor import beside, machine, people
from muster.doctor.facts import Bus, Facts, Finding, State
from muster.federation.layout import SERVICES


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which to read them."""

    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """The worst of them."""
        states = {finding.state for finding in self.findings}
        return next((state for state in (State.BROKEN, State.WARNING) if state in states), State.OK)


def diagnose(facts: Facts) -> Diagnosis:
    """What ``facts`` mean."""
    said = facts.bus.said if facts.bus else None
    held = facts.bus.streams if facts.bus else ()
    return Diagnosis(
        (
            *machine.server(facts.server, facts.layout),
            *machine.disk(facts.disk, held),
            *machine.keys(facts.keys, facts.anchor, said.registered if said else None, facts.layout),
            *beside.verdict(facts.beside),
            *(_of_bus(facts, facts.bus) if facts.bus else ()),
        )
    )


def _of_bus(facts: Facts, bus: Bus) -> tuple[Finding, ...]:
    """What can only be known while the broker answers."""
    findings = (
        *machine.streams(bus.streams, facts.layout),
        *machine.consumers(bus.consumers, facts.layout),
        *(people.dead_letters(bus.dead) if bus.dead is not None else ()),
        *people.backlog(bus.consumers),
    )
    if bus.said is None:
        # What is missing has been named above; without it there is nothing to say about who works.
        return findings
    edges = facts.description.edges
    return (
        *findings,
        *people.services(bus.said.leases, (*SERVICES, *edges), facts.layout),
        *people.clocks(bus.said.leases),
        *people.edges(bus.said.isolation, bus.said.datasets, edges),
        *people.experiments(bus.said.waiting),
    )
