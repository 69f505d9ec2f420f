"""An edge's part of strategies that change how edges train, and what it keeps from cycle to cycle. Knows no framework.

FedProx adds a proximal term mu / 2 |w - x|^2 to the loss.
Source: Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020, algorithm 2.

SCAFFOLD corrects each step by control variates: ``y <- y - step (g - c_i + c)``, and after K steps
``c_i' = c_i - c + (x - y) / (K step)``. The server's c comes with the model, as tensors beside the parameters; there
the update says ``c_i' - c_i = (x - y) / (K step) - c``. c_i stays at the edge, and begins with 0.
Source: Karimireddy et al., "SCAFFOLD: Stochastic Controlled Averaging for Federated Learning", ICML 2020, algorithm 1,
option II.

What an optimizer has come to (``training.optimizer_state: keep``) stays at the edge as c_i does, beside no strategy or
beside FedProx: SCAFFOLD takes plain steps, of which there is nothing to keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.errors import Category, TrainingError, model_error
from training.plan import Strategy, Training
from training.registry import Guidance, GuidedModel, Learned, Parameters, Report, Rows, TabularModel
from training.weights import KEEP, Weights, named

PROXIMAL: Final = "fedprox"
CONTROLLED: Final = "scaffold"
CONTROLS: Final = "scaffold"
"""First word of the names of the control variates."""
OPTIMIZER: Final = "optimizer"
"""First word of the names of what an optimizer has come to, where that is kept."""
_MODEL: Final = "model"


@dataclass(frozen=True)
class Run:
    """What decides a training besides data and weights.

    Attributes:
        training: What the plan says.
        seed: Of the experiment.
        cycle: Its number.
        report: Told of the progress.
        strategy: If it changes how edges train.
        state: What the edge kept, if it kept anything.
    """

    training: Training
    seed: int
    cycle: int
    report: Report
    strategy: Strategy | None = None
    state: Weights | None = None


def state_error(problem: str) -> TrainingError:
    """What the edge kept of an earlier cycle cannot be gone on from."""
    return TrainingError(Category.INFRA, "worker.state", f"what the edge kept for this experiment {problem}")


def check(strategy: Strategy, training: Training) -> None:
    """Check that a strategy can work with what the plan says about training.

    Raises:
        TrainingError: It cannot.
    """
    if strategy.name == CONTROLLED and (training.optimizer not in {None, "sgd"} or training.momentum):
        raise model_error(
            "plan.training",
            f"{strategy.name} corrects steps of plain SGD: its control variates follow from how far they lead "
            "together, which says nothing with momentum or another optimizer. Leave training.optimizer and "
            "training.momentum out",
        )
    if strategy.name == CONTROLLED and training.keeps_optimizer:
        raise model_error(
            "plan.training",
            f"{strategy.name} takes steps of plain SGD, which has nothing to keep from cycle to cycle: leave "
            "training.optimizer_state out",
        )


def controls(strategy: Strategy | None, model: TabularModel, parameters: Parameters) -> dict[str, NDArray[Any]]:
    """The control variates beside the first model: zeros for all that is learnt; nothing for other strategies.

    Raises:
        TrainingError: The framework cannot do an edge's part of the strategy.
    """
    if strategy is None:
        return {}
    guided = _guided(strategy, model)
    if strategy.name != CONTROLLED:
        return {}
    return named(CONTROLS, {name: np.zeros_like(parameters[name]) for name in sorted(guided.learnt)})


def learn(received: Weights, model: TabularModel, rows: Rows, run: Run) -> tuple[Weights, Weights | None]:
    """Train as the strategy wants it, from where the edge's optimizer was if the plan keeps that.

    Returns:
        The update, and what the edge is to keep of it, if anything.

    Raises:
        TrainingError: The framework or the plan do not fit the strategy, there is nothing to keep, or what was kept is
            of another model or optimizer.
    """
    parameters, keeps = received.part(_MODEL), run.training.keeps_optimizer
    if run.strategy is None and not keeps:
        after = model.trained(parameters, rows, run.training, seed=run.seed, cycle=run.cycle, report=run.report)
        return received.replaced(_MODEL, after), None
    if run.strategy is not None:
        check(run.strategy, run.training)
    guided = _guided(run.strategy, model)
    if run.strategy is not None and run.strategy.name == CONTROLLED:
        return _controlled(received, guided, rows, run)
    guidance = Guidance(
        proximal=0.0 if run.strategy is None else run.strategy.parameters["mu"],
        optimizer=_begun(run.state) if keeps else None,
    )
    learned = guided.guided(parameters, rows, run.training, guidance, seed=run.seed, cycle=run.cycle, report=run.report)
    return received.replaced(_MODEL, learned.parameters), _kept(learned, model) if keeps else None


def _begun(state: Weights | None) -> Parameters | None:
    """What the optimizer had come to; an edge that has nothing of that begins anew."""
    if state is None:
        return None
    found = state.part(OPTIMIZER)
    if not found:
        raise state_error("is of no optimizer")
    return found


def _kept(learned: Learned, model: TabularModel) -> Weights:
    if not learned.optimizer:
        raise _nothing_to_keep(model)
    kept = named(OPTIMIZER, learned.optimizer)
    return Weights(kept, dict.fromkeys(kept, KEEP))


def _nothing_to_keep(model: TabularModel) -> TrainingError:
    return model_error(
        "plan.training",
        f"{model.name} has an optimizer of which nothing can be kept from cycle to cycle, as plain sgd has: choose "
        "another training.optimizer or a training.momentum, or leave training.optimizer_state out",
    )


def _controlled(received: Weights, model: GuidedModel, rows: Rows, run: Run) -> tuple[Weights, Weights]:
    common = {name: each.astype(np.float64) for name, each in received.part(CONTROLS).items()}
    own = _own(common, run.state)
    before = received.part(_MODEL)
    guidance = Guidance(correction={name: common[name] - own[name] for name in common})
    learned = model.guided(before, rows, run.training, guidance, seed=run.seed, cycle=run.cycle, report=run.report)
    after, length = learned.parameters, learned.steps * learned.step_size
    said = {}
    with np.errstate(all="ignore"):
        for name, shared in common.items():
            moved = before[name].astype(np.float64) - after[name]
            # Rounded as it travels. What is not finite by then is found, and named, before it leaves.
            said[name] = np.asarray(moved / length - shared).astype(before[name].dtype)
    # The server adds up what was said, so that is what the edge goes on from.
    kept = named(CONTROLS, {name: own[name] + said[name] for name in common})
    update = received.replaced(_MODEL, after).replaced(CONTROLS, said)
    return update, Weights(kept, dict.fromkeys(kept, KEEP))


def _own(common: Parameters, state: Weights | None) -> Parameters:
    """The edge's control variates, float64."""
    if state is None:
        return {name: np.zeros_like(each) for name, each in common.items()}
    own = state.part(CONTROLS)
    if {name: each.shape for name, each in own.items()} != {name: each.shape for name, each in common.items()}:
        raise state_error("belongs to a model of another form")
    return own


def _guided(strategy: Strategy | None, model: TabularModel) -> GuidedModel:
    if strategy is None:
        if not isinstance(model, GuidedModel):
            raise _nothing_to_keep(model)
        return model
    if strategy.name not in {PROXIMAL, CONTROLLED}:
        raise model_error("strategy.framework", f"this edge does not know what {strategy.name!r} wants of it")
    if not isinstance(model, GuidedModel):
        raise model_error(
            "strategy.framework",
            f"{strategy.name} changes how edges train, which {model.name} cannot: use torch or tensorflow",
        )
    return model
