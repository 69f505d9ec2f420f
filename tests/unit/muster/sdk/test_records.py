"""What the SDK tells is what the command line tells."""

from __future__ import annotations

from dataclasses import fields

from bus.events.base import OwnerId, PrincipalId
from coordinator.domain.state import Experiment
from coordinator.domain.world import World
from muster.sdk.records import Status
from muster.telling.summary import summary
from support.story import submission


def test_a_status_has_all_facts() -> None:
    spec = submission()
    facts = summary(Experiment(spec.experiment, OwnerId("acme"), PrincipalId("acme"), spec), World())
    assert {field.name for field in fields(Status)} == facts.keys()
    status = Status.of(facts)
    assert status.state == "submitted"
    assert not status.over
    assert "submitted" in str(status)
    assert "<td>submitted</td>" in status._repr_html_()
