"""What bad edges can do: little to the robust strategies, anything to a mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from support.bodies import body, run, stored, tensors

SIZE = 500
EDGES = 11
BAD = 3
Attack = Callable[[np.ndarray, np.random.Generator], np.ndarray]
ATTACKS: dict[str, Attack] = {
    "flipped": lambda mean, _draw: -20 * mean,
    "huge": lambda mean, _draw: np.full_like(mean, 3e38),
    "noise": lambda mean, draw: draw.normal(size=mean.size) * 100,
    "zeros": lambda mean, _draw: np.zeros_like(mean),
}
ROBUST = {"fedmedian": {}, "fedtrimmedavg": {"beta": 0.3}, "krum": {"f": 3.0}, "multikrum": {"f": 3.0}}


def averaged(name: str, attack: Attack, parameters: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the honest edges, and what comes of all."""
    draw = np.random.default_rng(3)
    truth = 2 + draw.normal(size=SIZE) * 0.5
    honest = [truth + draw.normal(size=SIZE) * 0.1 for _ in range(EDGES - BAD)]
    mean = np.mean(honest, axis=0)
    bad = [attack(mean, draw) for _ in range(BAD)]
    rows = [bad[0], *honest[:4], bad[1], *honest[4:], bad[2]]
    ran = run(name, [body({"w": stored(row)}, {"w": "F32"}) for row in rows], **parameters)
    return mean, tensors(ran.model)["w"].astype(np.float64)


@pytest.mark.parametrize("attack", list(ATTACKS))
@pytest.mark.parametrize("name", list(ROBUST))
def test_robust_strategies_stay_near_the_honest(name: str, attack: str) -> None:
    mean, found = averaged(name, ATTACKS[attack], ROBUST[name])
    # An honest edge alone is 0.1 away from the mean, in every element.
    assert np.sqrt(np.mean((found - mean) ** 2)) < 0.12


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_a_mean_does_not(attack: str) -> None:
    mean, found = averaged("fedavg", ATTACKS[attack], {})
    assert np.sqrt(np.mean((found - mean) ** 2)) > 0.4


@pytest.mark.parametrize("attack", list(ATTACKS))
@pytest.mark.parametrize("name", ["krum", "multikrum"])
def test_no_bad_edge_is_chosen(name: str, attack: str) -> None:
    draw = np.random.default_rng(5)
    honest = [2 + draw.normal(size=SIZE) * 0.1 for _ in range(EDGES - BAD)]
    bad = [ATTACKS[attack](np.mean(honest, axis=0), draw) for _ in range(BAD)]
    rows = [body({"w": stored(row)}, {"w": "F32"}) for row in [*bad, *honest]]
    chosen = run(name, rows, f=3, **({"keep": 8} if name == "multikrum" else {})).chosen
    assert chosen is not None
    assert min(chosen) >= BAD


@pytest.mark.parametrize("name", list(ROBUST))
def test_numbers_whose_squares_are_beyond_float64_are_far_away(name: str) -> None:
    rows = [np.array([value, -value]) for value in (1e308, -1e308, 1.7e308, *(1.0 + n / 100 for n in range(8)))]
    ran = run(name, [body({"w": row}, {"w": "F64"}) for row in rows], **ROBUST[name])
    found = tensors(ran.model)["w"]
    assert 1.0 <= found[0] <= 1.1
    assert -1.1 <= found[1] <= -1.0
