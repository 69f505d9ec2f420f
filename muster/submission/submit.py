"""From a plan file to a submitted experiment. Everything that can be found wrong is found before anything is said."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ulid import ULID

from bus.errors import Invalid
from bus.events import encodings, strategies
from bus.events.base import Digest, ExperimentId, PrincipalId
from bus.events.experiments import PRETRAINED, ExperimentSubmitted, Limits, Strategy, TaskData
from bus.events.weights import INT8, Encoding, SealedObject
from bus.weights import outgoing
from bus.weights.stores import choose
from bus.wire.subjects import weights_address
from muster.client import Client
from muster.submission import classes
from muster.submission.callbacks import callbacks_of, watchable
from muster.submission.columns import Holders
from muster.submission.linking import Datasets, holders_of, link
from muster.submission.requirements import Enrolled
from muster.submission.vetting import Subject, Tell, quiet, refusal, vet
from training import guidance, weighting
from training.contract.header import Header
from training.errors import TrainingError
from training.losses import LossFile
from training.plan import Encoding as Wanted
from training.plan import Plan
from training.plan import Strategy as PlanStrategy
from training.preprocessing.preparation import Preparation
from training.registry import Registry, default_registry
from training.worker.config import MODEL, Config


@dataclass(frozen=True)
class Draft:
    """A plan and its model file, read and checked without any federation.

    Attributes:
        plan: The plan.
        model: The model.
        digest: Of plan, model file and pretrained weights.
    """

    plan: Plan
    model: Subject
    digest: Digest

    @property
    def header(self) -> Header:
        """What the model file says about itself."""
        return self.model.header


def read_draft(path: Path, registry: Registry | None = None) -> Draft:
    """Read a plan and its model file.

    Raises:
        Invalid: Something in them is wrong; the message says what was expected.
    """
    try:
        plan = Plan.load(path)
    except TrainingError as error:
        raise Invalid(error.message, code=error.code) from error
    folder = path.parent
    model = Subject.read(folder / plan.model, plan.weights and folder / plan.weights, registry)
    return with_model(plan, model, folder)


def with_model(plan: Plan, model: Subject, folder: Path | None = None) -> Draft:
    """A plan with its model.

    Args:
        plan: The plan.
        model: The model that it names.
        folder: What a loss file in it is relative to; the working directory if left out.

    Raises:
        Invalid: They do not go together, or the plan asks for something that there is not.
    """
    plan, model = with_own_loss(with_defaults(plan, model.header), model, folder or Path.cwd())
    try:
        guidance.check(plan.strategy, plan.training)
        weighting.require_classes(plan.training.class_weights, has_classes=model.header.classifies)
        plan.callbacks.check(model.header.category, plan.training, watchable(model.header.category))
    except TrainingError as error:
        raise Invalid(error.message, code=error.code) from error
    strategy = settled(plan.strategy.name, plan.strategy.parameters)
    encodings.check(encoding_of(plan.transport.encoding), strategy.name)
    return Draft(plan, model, Digest(plan.digest(model.code, model.weights)))


def with_defaults(plan: Plan, header: Header) -> Plan:
    """The plan with what it leaves to the model file's header."""
    if plan.training.batch_size is not None or header.batch_size is None:
        return plan
    return plan.model_copy(update={"training": plan.training.model_copy(update={"batch_size": header.batch_size})})


def with_own_loss(plan: Plan, model: Subject, folder: Path) -> tuple[Plan, Subject]:
    """Plan and model with the loss file of the plan, if it has one, among the model's files.

    Raises:
        Invalid: The file is not there, or cannot be what it has to be.
    """
    loss = plan.training.own_loss
    if loss is None:
        return plan, model
    # From here on it lies beside the model, wherever it was found.
    training = plan.training.model_copy(update={"loss": LossFile(file=loss.name)})
    return plan.model_copy(update={"training": training}), model.with_loss(loss, folder)


def settled(name: str, parameters: Mapping[str, float]) -> Strategy:
    """A strategy with all of its parameters.

    Raises:
        Invalid: The strategy or a parameter is not known, or a value is out of bounds.
    """
    try:
        return strategies.settled(Strategy(name=name, parameters=dict(parameters)))
    except Invalid as error:
        raise Invalid(error.message, code="plan.strategy") from error


def encoding_of(wanted: Wanted) -> Encoding:
    """An encoding with all that the plan leaves open; what loses something is fed back unless the plan says no."""
    bare = Encoding(values=wanted.values, keep=wanted.keep, compression=wanted.compression)
    rough = bare.keep < 1 or bare.values == INT8
    return bare.model_copy(update={"error_feedback": rough if wanted.error_feedback is None else wanted.error_feedback})


def resolve(draft: Draft, datasets: Datasets, enrolled: Enrolled | None = None) -> tuple[TaskData, Holders]:
    """What is learnt from what, on whose data.

    Raises:
        NotFound: Nobody registered the dataset.
        Invalid: The data does not fit the plan; every mismatch is named with the edge where it is.
    """
    data = link(draft.header, draft.plan, datasets, enrolled).required()
    return data, holders_of(draft.plan.data.dataset, datasets)


async def check(draft: Draft, data: TaskData, tell: Tell = quiet) -> None:
    """Check the model on made-up rows in a worker on this machine; nothing if its framework is not here.

    Raises:
        Invalid: A check fails; the message says which, and why.
    """
    if not default_registry().frameworks[draft.header.framework].installed:
        return
    asked = draft.plan.strategy
    told = strategies.at_edges(settled(asked.name, asked.parameters))
    config = Config(
        category=data.category,
        framework=draft.header.framework,
        features=data.features,
        target=data.target,
        classes=data.classes,
        preparation=Preparation.told(data.features, data.preparation, data.derived),
        training=classes.stood_in(draft.plan.training, data.classes),
        strategy=told and PlanStrategy(**told.model_dump()),
        limits=draft.plan.limits,
    )
    report, error = await vet(draft.model, config, tell)
    if error is not None:
        raise refusal(report, error)


async def submit(client: Client, draft: Draft, data: TaskData, holders: Holders) -> ExperimentId:
    """Seal the model file for the edges that hold the data, and submit the experiment.

    Raises:
        Invalid: The quorum cannot be reached.
        Configuration: The plan names a store that this federation has not.
        Unavailable: The federation is away.
    """
    plan, edges = draft.plan, tuple(sorted(holders))
    if plan.quorum is not None and plan.quorum > len(edges):
        raise Invalid(
            f"quorum: {plan.quorum} edges are asked for, but only {len(edges)} hold {plan.data.dataset!r}: "
            f"{', '.join(edges)}",
            code="plan.quorum",
        )
    # A store that is not there is better missed now than at every edge.
    client.broker.blobs().at(choose(plan.transport.store, 0, None))
    strategy = strategies.check(
        settled(plan.strategy.name, plan.strategy.parameters),
        draft.header.framework,
        plan.quorum or len(edges),
        len(edges),
    )
    encoding = encodings.check(encoding_of(plan.transport.encoding), strategy.name)
    experiment = ExperimentId(str(ULID()))
    with tempfile.TemporaryDirectory(prefix="muster-submit-") as folder:
        # What was read and checked, whatever became of the file since.
        packed = Path(folder) / MODEL
        packed.write_bytes(draft.model.code)
        code = await _sealed(client, packed, experiment, "code", edges)
    weights = draft.model.weights
    pretrained = None if weights is None else await _sealed(client, weights, experiment, PRETRAINED, edges)
    submitted = ExperimentSubmitted(
        experiment=experiment,
        name=plan.name,
        objective=plan.objective,
        framework=draft.header.framework,
        data=data,
        cycles=plan.cycles,
        quorum=plan.quorum,
        deadline_s=plan.deadline_s,
        seed=plan.seed,
        strategy=strategy,
        training=classes.weighted(plan.training, holders, data.taken).canonical,
        limits=Limits(**plan.limits.model_dump()),
        code=code,
        pretrained=pretrained,
        recipients=edges,
        store=plan.transport.store,
        encoding=encoding,
        callbacks=callbacks_of(plan.callbacks, draft.header.category),
        plan_digest=draft.digest,
    )
    await client.say(submitted)
    return experiment


async def _sealed(
    client: Client, path: Path, experiment: ExperimentId, name: str, edges: Sequence[PrincipalId]
) -> SealedObject:
    """A file of the vendor's, sealed for edges and for the vendor, who can fetch it with the model, and stored."""
    return await outgoing.upload_file(
        client.broker.blobs(),
        path,
        weights_address(client.owner, client.identity.principal, experiment, name),
        client.identity,
        {each: client.directory[each].sealing for each in (*edges, client.identity.principal)},
    )
