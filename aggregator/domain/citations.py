"""Does an update cite its own weights? An edge may sign what it likes, and cite a body that is another's work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bus.errors import Integrity
from bus.events.base import Digest, OwnerId, PrincipalId
from bus.events.cycles import CycleClosed, CycleKind, RunCycle, Source, UpdateSealed
from bus.events.weights import JETSTREAM, S3, SealedObject
from bus.weights import references
from bus.weights.lockstep import BodyFailed
from bus.wire import subjects
from bus.wire.envelope import message_id


def cited(closed: CycleClosed, owner: OwnerId, updates: Mapping[PrincipalId, UpdateSealed]) -> list[SealedObject]:
    """The bodies of a closing's updates, in its order, each where its edge writes in that cycle, and laid out alike.

    Args:
        closed: The closing.
        owner: Of the experiment.
        updates: By edge.

    Raises:
        BodyFailed: One is missing, another's, or unlike the others; its index is that in ``closed.included``.
    """
    expected = _expected(closed, updates)
    bodies = []
    for index, contribution in enumerate(closed.included):
        try:
            body = _own(closed, owner, contribution.edge, updates[contribution.edge])
            _require_alike(body, *expected)
        except Integrity as error:
            raise BodyFailed(index, error) from error
        bodies.append(body)
    return bodies


def _own(closed: CycleClosed, owner: OwnerId, edge: PrincipalId, update: UpdateSealed) -> SealedObject:
    body = update.weights
    if body is None:
        raise Integrity("the update has no weights", code="update.empty")
    references.check(body)
    source = closed.source or Source(experiment=closed.experiment, cycle=closed.cycle)
    name = f"update-{source.cycle}-"
    place = subjects.weights_address(owner, edge, source.experiment, name)
    trial = body.address.removeprefix(place)
    if not body.address.startswith(place) or message_id(_order(edge, source, trial)) != update.command:
        raise Integrity(
            f"the update of {edge} in cycle {source.cycle} cites weights at {body.address!r}; expected "
            f"'{place}<trial>', of the trial that it answers: it is other work than was asked for",
            code="update.address",
        )
    # The broker's own is never wrong; what is averaged anew lies where the experiment wanted it that trained.
    wished = {JETSTREAM} if closed.store == JETSTREAM and closed.source is None else {JETSTREAM, S3}
    if body.store not in wished:
        raise Integrity(
            f"the update {body.address!r} is said to lie in the store {body.store[:40]!r}; "
            f"expected {' or '.join(sorted(wished))}",
            code="update.store",
        )
    return body


_Form = tuple[Digest | None, tuple[str, ...]]
"""Layout and groups of members."""


def _form(body: SealedObject) -> _Form:
    return body.layout, tuple(sorted(body.members or ()))


def _require_alike(body: SealedObject, form: _Form, chunk_bytes: int) -> None:
    if _form(body) != form or body.chunk_bytes != chunk_bytes:
        raise Integrity(
            f"the tensors of {body.address!r} differ in name, type, shape, order or chunks from the model's",
            code="weights.layout",
        )


def _order(edge: PrincipalId, source: Source, trial: str) -> str:
    """Subject of the command that an update with this trial in its address answers."""
    return subjects.command(RunCycle, edge=edge, experiment=source.experiment, key=f"{source.cycle}-{trial}")


def _expected(closed: CycleClosed, updates: Mapping[PrincipalId, UpdateSealed]) -> tuple[_Form, int]:
    """The global model's form in training; before there is a model, the one that most edges use. So with chunks."""
    bodies = [update.weights for _, update in sorted(updates.items()) if update.weights]
    if not bodies:
        return (None, ()), 0
    form, _ = Counter(_form(body) for body in bodies).most_common(1)[0]
    chunk_bytes, _ = Counter(body.chunk_bytes for body in bodies).most_common(1)[0]
    if closed.cycle.kind is CycleKind.TRAIN and closed.model is not None:
        form = _form(closed.model)
    return form, chunk_bytes
