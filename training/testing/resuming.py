"""What an optimizer is kept with from cycle to cycle, for frameworks that can; others refuse to."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from training.guidance import Run, learn
from training.testing.case import SEED, Case, refusal, same
from training.weights import Weights, check_weights, read_weights, write_weights

_OPTIMIZERS: Final[tuple[dict[str, object], ...]] = (
    {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01},
    {"optimizer": "adam", "momentum": None, "learning_rate": 0.01},
)
_MOST_BYTES: Final = 2**30


def an_optimizer_goes_on_from_what_was_kept(case: Case) -> None:
    """By way of a safetensors file: to the same bits each time, and to others than one that begins anew."""
    for kept in _keeping(case):
        first = kept.first()
        after, state = _cycle(kept, first)
        assert state is not None, "nothing was kept"
        read = _written(state)
        once, further = _cycle(kept, after, 2, read)
        again, further_again = _cycle(kept, after, 2, read)
        anew, _ = _cycle(kept, after, 2)
        assert same(once.tensors, again.tensors), "the same work gives other bits"
        assert further is not None
        assert further_again is not None
        assert same(further.tensors, further_again.tensors), "the same work keeps other bits"
        assert not same(once.tensors, anew.tensors), "what was kept makes no difference"
        fresh, _ = _cycle(kept.told(optimizer_state="reset"), after, 2)
        assert same(anew.tensors, fresh.tensors), "an edge that kept nothing does not begin anew"


def two_cycles_are_one_that_is_twice_as_long(case: Case) -> None:
    """Bit for bit, with what was kept, where neither rows nor the model draw anything."""
    for kept in _keeping(case.told(shuffle=False, epochs=2)):
        first = kept.first()
        parameters = first.part("model")
        anew = kept.told(optimizer_state="reset")
        if not same(anew.learn(parameters), anew.learn(parameters, seed=SEED + 1)):
            # The model draws, and draws other numbers in another cycle.
            return
        after, state = _cycle(kept, first)
        twice, _ = _cycle(kept, after, 2, state)
        long, _ = _cycle(kept.told(epochs=4), first)
        assert same(twice.tensors, long.tensors), "something that the optimizer remembers was not kept"


def what_was_kept_of_another_optimizer_is_refused(case: Case) -> None:
    """By the code that says whose problem it is."""
    cases = _keeping(case)
    for kept, other in zip(cases, reversed(cases), strict=True):
        after, state = _cycle(other, other.first())
        error = refusal(lambda kept=kept, after=after, state=state: _cycle(kept, after, 2, state))  # type: ignore[misc]
        assert error is not None, "what another optimizer was kept with is gone on from"
        assert error.code == "worker.state", error.code


def _keeping(case: Case) -> list[Case]:
    """The case under plans that keep optimizers; none if the framework refuses to, by the field's name."""
    cases = [case.told(optimizer_state="keep", weight_decay=None, **each) for each in _OPTIMIZERS]
    error = refusal(lambda: _cycle(cases[0], cases[0].first()))
    if error is None:
        return cases
    assert error.code == "plan.training", error.code
    assert "optimizer_state" in error.message, f"optimizer_state is refused without being named: {error.message}"
    return []


def _cycle(
    case: Case, received: Weights, cycle: int = 1, state: Weights | None = None
) -> tuple[Weights, Weights | None]:
    run = Run(case.training, SEED, cycle, lambda *_: None, None, state)
    return learn(received, case.model(), case.rows, run)


def _written(state: Weights) -> Weights:
    """What a file gives back, checked as an edge does before it keeps it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        write_weights(path, state)
        check_weights(path, reference=None, max_bytes=_MOST_BYTES)
        return read_weights(path)
