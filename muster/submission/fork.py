"""A new experiment that goes on from a model of an old one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from ulid import ULID

from bus.errors import Invalid, NotFound
from bus.events import encodings, strategies
from bus.events.base import Digest, ExperimentId
from bus.events.experiments import ExperimentSubmitted, Origin
from bus.events.weights import Encoding
from bus.weights import incoming
from coordinator.domain.state import Experiment
from muster.client import Client
from muster.submission.submit import settled


def fork_of(
    parent: Experiment,
    cycle: int,
    *,
    cycles: int | None = None,
    seed: int | None = None,
    strategy: str | None = None,
    parameters: Mapping[str, float] | None = None,
    anew: bool = False,
    plain: bool = False,
    name: str | None = None,
) -> ExperimentSubmitted:
    """The submission of a fork.

    Args:
        parent: The old experiment.
        cycle: Number of the training cycle whose global model it begins with; 0 for the first model.
        cycles: Number of its last cycle; that of the parent if not given.
        seed: Another seed; with the parent's, the same cycles give the same models, bit for bit, unless its plan has
            the learning rate reduced: the rate goes on from where it was, and scores are judged anew.
        strategy: Another strategy, from there on. Otherwise what the old one has kept goes on too.
        parameters: Of the strategy; those left out are as they were, or the defaults of another strategy.
        anew: Average the updates of ``cycle`` anew, by that strategy, instead of taking its model over.
        plain: Send updates as they are, whatever the old one did.
        name: Its name.

    Raises:
        NotFound: The parent has no such model.
        Invalid: It would end before it begins, the strategy is not known, or there is nothing to average.
    """
    if cycle not in parent.models:
        known = ", ".join(map(str, sorted(parent.models))) or "none yet"
        raise NotFound(
            f"experiment {parent.id} has no model of cycle {cycle}; it has those of: {known}", code="fork.cycle"
        )
    last = parent.spec.cycles if cycles is None else cycles
    if last < cycle:
        raise Invalid(f"cycles: {last} is before cycle {cycle}, from which the fork goes on", code="fork.cycles")
    old = parent.spec.strategy
    same = strategy in {None, old.name}
    given = {**(old.parameters if same else {}), **(parameters or {})}
    wanted = settled(strategy or old.name, given)
    wanted = strategies.check(wanted, parent.spec.framework, parent.quorum, len(parent.spec.recipients))
    if (lack := strategies.lacking(wanted, old)) is not None:
        raise Invalid(lack, code="fork.origin")
    encoding = encodings.check(Encoding() if plain else parent.spec.encoding, wanted.name)
    if anew and cycle < 1:
        raise Invalid("cycle 0 has no updates to average anew: nobody has trained yet", code="fork.cycle")
    state = parent.states.get(cycle) if same and not anew else None
    changes: dict[str, object] = {
        "experiment": ExperimentId(str(ULID())),
        "name": name or f"{parent.spec.name}, from cycle {cycle}",
        "cycles": last,
        "seed": parent.spec.seed if seed is None else seed,
        "strategy": wanted,
        "encoding": encoding,
        "origin": Origin(
            experiment=parent.id,
            cycle=cycle,
            model=parent.models[cycle],
            anew=anew,
            state=state,
            rate_factor=parent.watch.factor_after(cycle),
        ),
    }
    forked = parent.spec.model_copy(update=changes)
    content = json.dumps(forked.model_dump(mode="json", exclude={"experiment", "plan_digest"}), sort_keys=True)
    digest = Digest(f"sha256:{hashlib.sha256(content.encode()).hexdigest()}")
    return forked.model_copy(update={"plan_digest": digest})


def parameters_of(words: Iterable[str]) -> dict[str, float]:
    """What ``--parameter name=value`` says.

    Raises:
        Invalid: A word is not of that form.
    """
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise Invalid(
                f"--parameter {word[:80]!r}: expected a name and a number, e.g. beta=0.1", code="strategy.parameter"
            ) from None
    return found


async def fork(client: Client, submission: ExperimentSubmitted) -> ExperimentId:
    """Submit a fork, if the model that it begins with is still kept.

    Raises:
        NotFound: The model is gone.
    """
    assert submission.origin is not None
    await incoming.fetch_key(client.broker.blobs(), submission.origin.model, client.identity)
    await client.say(submission)
    return submission.experiment
