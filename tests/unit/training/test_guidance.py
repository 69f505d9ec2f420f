"""FedProx and SCAFFOLD against their papers, written down again here in plain NumPy without any of the code.

Linear regression by mean squared error, full batches: the gradient of an edge at w is ``2 / n X^T (X w - y)``.
fedprox: Li et al. 2020, algorithm 2. scaffold: Karimireddy et al. 2020, algorithm 1, option II.
"""

from __future__ import annotations

import numpy as np
import pytest

from bus.events import strategies
from support.guided import Federation
from training import guidance
from training.errors import TrainingError
from training.frameworks import sklearn
from training.guidance import Run, check, learn
from training.plan import Strategy, Training
from training.registry import Guidance, Problem, Rows, default_registry
from training.weights import Weights

WIDTH = 3
STEPS, RATE = 6, 0.05
FULL = Training(epochs=STEPS, learning_rate=RATE, batch_size=1000)
PRECISE = {"rtol": 1e-9, "atol": 1e-12}


def edges(count: int = 4, apart: float = 1.0) -> list[Rows]:
    """Edges whose rows are scaled and answered differently, the more ``apart`` the more."""
    draw = np.random.default_rng(4)
    found = []
    for edge in range(count):
        inputs = draw.normal(size=(20 + 10 * edge, WIDTH)) * (1 + apart * draw.random(WIDTH))
        truth = np.array([1.0, -2.0, 0.5]) + apart * draw.normal(size=WIDTH)
        found.append(Rows(inputs, inputs @ truth + 0.1 * draw.normal(size=len(inputs))))
    return found


def gradient(rows: Rows, w: np.ndarray) -> np.ndarray:
    return 2 / len(rows.target) * rows.inputs.T @ (rows.inputs @ w - rows.target)


def loss(rows: list[Rows], w: np.ndarray) -> float:
    """Mean over edges, each counting the same."""
    return float(np.mean([np.mean((each.inputs @ w - each.target) ** 2) for each in rows]))


def prox(rows: list[Rows], mu: float, cycles: int) -> np.ndarray:
    x, total = np.zeros(WIDTH), sum(len(each.target) for each in rows)
    for _ in range(cycles):
        found = np.zeros(WIDTH)
        for each in rows:
            w = x.copy()
            for _ in range(STEPS):
                w = w - RATE * (gradient(each, w) + mu * (w - x))
            found += len(each.target) / total * w
        x = found
    return x


@pytest.mark.parametrize("mu", [1e-6, 0.1, 3.0])
def test_fedprox_is_that_of_the_paper(mu: float) -> None:
    rows = edges()
    federation = Federation(rows, "fedprox", FULL, {"mu": mu})
    for number in range(1, 4):
        federation.cycle(number, range(len(rows)))
    np.testing.assert_allclose(federation.w, prox(rows, mu, 3), **PRECISE)


def test_the_proximal_term_holds_models_near_and_a_tiny_one_does_nothing() -> None:
    rows, ends = edges(), {}
    for mu in (1e-12, 1.0, 19.0):
        federation = Federation(rows, "fedprox", FULL, {"mu": mu})
        federation.cycle(1, range(len(rows)))
        ends[mu] = float(np.linalg.norm(federation.w))
    plain = Federation(rows, "fedavg", FULL)
    plain.cycle(1, range(len(rows)))
    np.testing.assert_allclose(ends[1e-12], np.linalg.norm(plain.w), rtol=1e-9)
    assert ends[19.0] < ends[1.0] < ends[1e-12]


SCHEDULE = [((0, 1, 2, 3), ()), ((0, 2), ()), ((0, 1, 3), (3,)), ((1, 2, 3), ()), ((0, 1, 2, 3), (0,)), ((0, 3), ())]
"""Who answers in each cycle, and whose update does not count."""


@pytest.mark.parametrize("eta", [1.0, 0.5])
def test_scaffold_is_that_of_the_paper_whoever_drops_out(eta: float) -> None:
    rows = edges()
    federation = Federation(rows, "scaffold", FULL, {"learning_rate": eta, "edges": len(rows)})
    x, c, own = np.zeros(WIDTH), np.zeros(WIDTH), np.zeros((len(rows), WIDTH))
    for number, (answering, lost) in enumerate(SCHEDULE, 1):
        federation.cycle(number, answering, lost)
        counted = [edge for edge in answering if edge not in lost]
        ends, changes = [], []
        for edge in counted:
            y = x.copy()
            for _ in range(STEPS):
                y = y - RATE * (gradient(rows[edge], y) - own[edge] + c)
            fresh = own[edge] - c + (x - y) / (STEPS * RATE)
            ends.append(y)
            changes.append(fresh - own[edge])
            own[edge] = fresh
        x = x + eta * np.mean([y - x for y in ends], axis=0)
        c = c + len(counted) / len(rows) * np.mean(changes, axis=0)
        np.testing.assert_allclose(federation.w, x, **PRECISE)
        np.testing.assert_allclose(federation.c, c, **PRECISE)
        for edge in range(len(rows)):
            np.testing.assert_allclose(federation.own(edge), own[edge], **PRECISE)
    np.testing.assert_allclose(federation.c, own.mean(axis=0), **PRECISE)


def test_scaffold_goes_where_fedavg_drifts_away() -> None:
    """Edges that disagree, and many steps: fedavg settles elsewhere, scaffold where the mean loss is least."""
    rows, many = edges(apart=2.0), FULL.model_copy(update={"epochs": 40, "batch_size": 10, "learning_rate": 0.01})
    hessian = np.mean([2 / len(r.target) * r.inputs.T @ r.inputs for r in rows], axis=0)
    best = np.linalg.solve(hessian, np.mean([2 / len(r.target) * r.inputs.T @ r.target for r in rows], axis=0))
    excess = {}
    for name in ("fedavg", "scaffold"):
        federation = Federation(rows, name, many)
        for number in range(1, 21):
            federation.cycle(number, range(len(rows)))
        excess[name] = loss(rows, federation.w) - loss(rows, best)
    assert excess["fedavg"] > 0.01
    assert excess["scaffold"] < excess["fedavg"] / 20, excess


def test_the_same_work_keeps_the_same_state() -> None:
    rows = edges()
    one, two = (Federation(rows, "scaffold", FULL) for _ in range(2))
    for federation in (one, two):
        for number in (1, 2):
            federation.cycle(number, range(len(rows)))
    assert all(one.own(edge).tobytes() == two.own(edge).tobytes() for edge in range(len(rows)))
    assert any(one.own(0))


@pytest.mark.parametrize("changes", [{"optimizer": "adam"}, {"momentum": 0.9}, {"optimizer": "sgd", "momentum": 0.5}])
def test_scaffold_corrects_plain_sgd_only(changes: dict[str, object]) -> None:
    with pytest.raises(TrainingError, match="plain SGD") as caught:
        check(Strategy(name="scaffold"), Training.model_validate(changes))
    assert caught.value.code == "plan.training"
    check(Strategy(name="fedprox"), Training.model_validate(changes))
    check(Strategy(name="scaffold"), Training(optimizer="sgd", momentum=0.0, weight_decay=0.1))


def test_a_framework_that_cannot_is_refused() -> None:
    from sklearn.linear_model import SGDRegressor

    model = sklearn.tabular(SGDRegressor(), Problem(WIDTH, None))
    for name in ("fedprox", "scaffold"):
        work = Run(FULL, 0, 1, lambda *_: None, Strategy(name=name, parameters={"mu": 1.0}))
        with pytest.raises(TrainingError, match="use torch") as caught:
            learn(Weights({}, {}), model, edges(1)[0], work)
        assert caught.value.code == "strategy.framework"
        with pytest.raises(TrainingError, match="use torch"):
            guidance.controls(work.strategy, model, {})


def test_a_strategy_of_a_later_release_is_not_taken_for_another() -> None:
    federation = Federation(edges(1), "fedavg", FULL)
    work = Run(FULL, 0, 1, lambda *_: None, Strategy(name="feddyn"))
    with pytest.raises(TrainingError, match="does not know"):
        learn(federation.weights, federation.model, federation.rows[0], work)


def test_what_was_kept_of_another_model_is_not_gone_on_from() -> None:
    federation = Federation(edges(1), "scaffold", FULL)
    federation.kept[0] = Weights({"scaffold.weight": np.zeros((1, WIDTH + 1))}, {"scaffold.weight": "keep"})
    with pytest.raises(TrainingError, match="another form") as caught:
        federation.cycle(1, [0])
    assert caught.value.code == "worker.state"


def test_vendors_edges_and_aggregator_mean_the_same() -> None:
    guided = {name for name, kind in strategies.KINDS.items() if kind.frameworks is not None}
    assert guided == {guidance.PROXIMAL, guidance.CONTROLLED}
    assert guidance.CONTROLS == strategies.CONTROLS == strategies.KINDS["scaffold"].beside
    able = {name for kind in strategies.KINDS.values() for name in kind.frameworks or ()}
    assert able <= default_registry().frameworks.keys()
    assert hasattr(Guidance(), "proximal")


KEPT = FULL.model_copy(update={"optimizer_state": "keep", "momentum": 0.9})


def momentum(rows: list[Rows], schedule: list[tuple[int, ...]], mu: float) -> np.ndarray:
    """Heavy balls that roll on from cycle to cycle, at each edge from the last cycle that it was in."""
    x, rolling = np.zeros(WIDTH), np.zeros((len(rows), WIDTH))
    for answering in schedule:
        total, found = sum(len(rows[edge].target) for edge in answering), np.zeros(WIDTH)
        for edge in answering:
            w = x.copy()
            for _ in range(STEPS):
                rolling[edge] = 0.9 * rolling[edge] + gradient(rows[edge], w) + mu * (w - x)
                w = w - RATE * rolling[edge]
            found += len(rows[edge].target) / total * w
        x = found
    return x


@pytest.mark.parametrize(("strategy", "mu"), [("fedavg", 0.0), ("fedprox", 0.5)])
def test_a_kept_momentum_rolls_on_also_where_an_edge_missed_a_cycle(strategy: str, mu: float) -> None:
    rows, schedule = edges(), [(0, 1, 2, 3), (0, 2), (1, 2, 3), (0, 1, 2, 3)]
    federation = Federation(rows, strategy, KEPT, {"mu": mu} if mu else {})
    for number, answering in enumerate(schedule, 1):
        federation.cycle(number, answering)
    np.testing.assert_allclose(federation.w, momentum(rows, schedule, mu), **PRECISE)


def test_a_cycle_that_did_not_count_is_not_gone_on_from() -> None:
    rows = edges(1)
    one, two = (Federation(rows, "fedavg", KEPT) for _ in range(2))
    one.cycle(1, [0])
    kept = one.kept[0]
    two.cycle(1, [0])
    two.cycle(2, [0])
    one.kept[0] = kept
    one.cycle(2, [0])
    assert one.w.tobytes() == two.w.tobytes()


def test_where_nothing_can_be_kept_it_is_said() -> None:
    plain = KEPT.model_copy(update={"momentum": None})
    with pytest.raises(TrainingError, match="has nothing to keep") as caught:
        check(Strategy(name="scaffold"), plain)
    assert caught.value.code == "plan.training"
    with pytest.raises(TrainingError, match=r"Linear has an optimizer of which nothing can be kept.*optimizer_state"):
        Federation(edges(1), "fedavg", plain).cycle(1, [0])


def test_what_was_kept_that_is_no_optimizer_s_is_not_gone_on_from() -> None:
    wrong = {
        "is of no optimizer": {"scaffold.weight": np.zeros((1, WIDTH))},
        "another form": {"optimizer.sgd.momentum_buffer.weight": np.zeros((1, WIDTH + 1))},
        "of a model of another": {"optimizer.sgd.momentum_buffer.bias": np.zeros(1)},
        "another version": {"optimizer.sgd.velocity.weight": np.zeros((1, WIDTH))},
        "the optimizer 'adam', and the plan says sgd": {"optimizer.adam.exp_avg.weight": np.zeros((1, WIDTH))},
    }
    for words, tensors in wrong.items():
        federation = Federation(edges(1), "fedavg", KEPT)
        federation.kept[0] = Weights(tensors, dict.fromkeys(tensors, "keep"))
        with pytest.raises(TrainingError, match=words) as caught:
            federation.cycle(1, [0])
        assert caught.value.code == "worker.state"
