"""The strategies by name: what each may be told, what it needs, and where it comes from.

This is the part of a strategy that everybody has to agree on: vendor, policy engine and aggregator. How it computes is
the business of ``aggregator.domain.strategies``, which has one implementation for each name here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from bus.errors import Invalid
from bus.events.experiments import Strategy
from bus.suggestions import did_you_mean

Values = Mapping[str, float]
"""Parameters by name."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that a strategy may be told.

    Attributes:
        meaning: What it does.
        default: Its value if the plan does not say.
        least: Smallest value.
        most: Bound above.
        inside: Whether ``most`` itself is too large.
        above: Whether ``least`` itself is too small.
        whole: Whether it is a whole number.
    """

    meaning: str
    default: float
    least: float
    most: float
    inside: bool = False
    above: bool = False
    whole: bool = False

    @property
    def bounds(self) -> str:
        """What is allowed, for a reader."""
        kind = "a whole number" if self.whole else "a number"
        least = f"{'above' if self.above else 'from'} {self.least:g}"
        return f"{kind} {least} {'below' if self.inside else 'to'} {self.most:g}"

    def allows(self, value: float) -> bool:
        """Whether ``value`` is within the bounds."""
        if not math.isfinite(value) or (self.whole and value != int(value)):
            return False
        low = value > self.least if self.above else value >= self.least
        return low and (value < self.most if self.inside else value <= self.most)


def _none(_values: Values) -> int:
    return 1


@dataclass(frozen=True)
class Kind:
    """What there is to know of a strategy without computing anything.

    Attributes:
        name: Of the strategy.
        formula: What becomes of a cycle's updates, for a reader. x is the last global model, x' the next one.
        paper: Where it comes from.
        weighted: Whether example counts matter to the tensors that are learnt.
        parameters: By name.
        state: What it keeps from cycle to cycle, per element.
        passes: How often every update is read.
        least: Least number of updates that it can work with, by its parameters.
        frameworks: Those whose edges can do their part of it; ``None`` if edges need not know of it.
        elementwise: Whether it compares the updates' elements, so that no update may leave some out.
        edges: What their part is, for a reader.
        keeps: What an edge keeps from cycle to cycle, for a reader; empty for nothing.
        beside: First word of the names of tensors that the global model holds beside its own; empty for none.
    """

    name: str
    formula: str
    paper: str
    weighted: bool = True
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    passes: int = 1
    least: Callable[[Values], int] = _none
    frameworks: frozenset[str] | None = None
    elementwise: bool = False
    edges: str = ""
    keeps: str = ""
    beside: str = ""


CONTROLS: Final = "scaffold"
"""See ``Kind.beside``."""
EDGES: Final = "edges"
"""Name of the parameter that is filled in with the number of edges that hold the dataset."""
_GUIDABLE: Final = frozenset({"tensorflow", "torch"})
_BAD: Final = Parameter("how many updates may be anything at all", 1, 0, 100_000, whole=True)
_FEDOPT: Final = (
    'Reddi et al., "Adaptive Federated Optimization", ICLR 2021, algorithm 2 (without bias correction; v begins at '
    "tau squared)"
)
_KRUM: Final = (
    'Blanchard, El Mhamdi, Guerraoui, Stainer, "Machine Learning with Adversaries: Byzantine Tolerant Gradient '
    'Descent", NeurIPS 2017'
)


def _adaptive(learning_rate: float, beta_1: float, **more: Parameter) -> dict[str, Parameter]:
    return {
        "learning_rate": Parameter("step size of the server", learning_rate, 0, 1000, above=True),
        "beta_1": Parameter("share of the old m", beta_1, 0, 1, inside=True),
        **more,
        "tau": Parameter("least divisor: the smaller, the more adaptive", 1e-3, 0, 1, above=True),
    }


_BETA_2: Final = Parameter("share of the old v", 0.99, 0, 1, inside=True)
_MEAN: Final = "x' = mean of the updates by example counts"
_DELTA: Final = "d = mean by example counts - x"

_ALL: Final = (
    Kind(
        "fedavg",
        _MEAN,
        'McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017',
    ),
    Kind("uniform", "x' = mean in which every edge counts the same", "the unweighted form of fedavg", weighted=False),
    Kind(
        "fedprox",
        f"{_MEAN}; each edge adds mu / 2 |w - x|^2 to its loss",
        'Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020',
        parameters={"mu": Parameter("weight of the proximal term", 0.01, 0, 1000, above=True)},
        frameworks=_GUIDABLE,
        edges="a proximal term around the global model in every step",
    ),
    Kind(
        "scaffold",
        "x' = x + learning_rate (mean in which every edge counts the same - x); c' = c + sum of (c_i' - c_i) / edges; "
        "each edge steps along g - c_i + c, and c_i' = c_i - c + (x - y_i) / (steps * step size)",
        'Karimireddy et al., "SCAFFOLD: Stochastic Controlled Averaging for Federated Learning", ICML 2020, '
        "algorithm 1, option II",
        weighted=False,
        parameters={
            "learning_rate": Parameter("step size of the server", 1, 0, 1000, above=True),
            EDGES: Parameter("N: how many edges there are; 0 for all that hold the dataset", 0, 0, 100_000, whole=True),
        },
        frameworks=_GUIDABLE,
        edges="a correction by control variates in every step",
        keeps="c_i",
        beside=CONTROLS,
    ),
    Kind(
        "fedavgm",
        f"{_DELTA}; m' = momentum m + d; x' = x + learning_rate m'",
        'Hsu, Qi, Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual '
        'Classification", 2019',
        parameters={
            "learning_rate": Parameter("step size of the server", 1, 0, 1000, above=True),
            "momentum": Parameter("share of the old m", 0.9, 0, 1, inside=True),
        },
        state=("m",),
    ),
    Kind(
        "fedadam",
        f"{_DELTA}; m' = beta_1 m + (1 - beta_1) d; v' = beta_2 v + (1 - beta_2) d^2; "
        "x' = x + learning_rate m' / (sqrt(v') + tau)",
        _FEDOPT,
        parameters=_adaptive(0.1, 0.9, beta_2=_BETA_2),
        state=("m", "v"),
    ),
    Kind(
        "fedyogi",
        "as fedadam, but v' = v - (1 - beta_2) d^2 sign(v - d^2)",
        _FEDOPT,
        parameters=_adaptive(0.01, 0.9, beta_2=_BETA_2),
        state=("m", "v"),
    ),
    Kind(
        "fedadagrad",
        "as fedadam, but v' = v + d^2",
        _FEDOPT,
        parameters=_adaptive(0.1, 0.0),
        state=("m", "v"),
    ),
    Kind(
        "fedmedian",
        "x' = median of the updates, element by element",
        'Yin, Chen, Ramchandran, Bartlett, "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", '
        "ICML 2018, definition 1",
        weighted=False,
        elementwise=True,
    ),
    Kind(
        "fedtrimmedavg",
        "x' = mean, element by element, without the floor(beta n) smallest and as many largest values",
        "Yin et al. 2018, definition 2",
        weighted=False,
        elementwise=True,
        parameters={"beta": Parameter("share that is cut off at either end", 0.2, 0, 0.5, inside=True)},
    ),
    Kind(
        "krum",
        "x' = the update with the least sum of squared distances to its n - f - 2 nearest ones",
        _KRUM,
        weighted=False,
        elementwise=True,
        parameters={"f": _BAD},
        passes=2,
        least=lambda values: 2 * int(values["f"]) + 3,
    ),
    Kind(
        "multikrum",
        "x' = mean of the keep updates that krum likes best",
        _KRUM,
        weighted=False,
        elementwise=True,
        parameters={
            "f": _BAD,
            "keep": Parameter("how many updates are averaged; 0 for n - f", 0, 0, 100_000, whole=True),
        },
        passes=2,
        least=lambda values: max(2 * int(values["f"]) + 3, int(values["keep"])),
    ),
)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _ALL})
"""All strategies of this release."""


def settled(strategy: Strategy) -> Strategy:
    """``strategy`` with a value for each of its parameters, so that what is said holds whatever later defaults are.

    Raises:
        Invalid: Its name or a parameter is unknown (the message names the nearest one), or a value is out of bounds.
    """
    kind = KINDS.get(strategy.name)
    if kind is None:
        raise Invalid(
            f"strategy {strategy.name!r} is not known; {_near(strategy.name, KINDS)}", code="strategy.unknown"
        )
    for name, value in strategy.parameters.items():
        parameter = kind.parameters.get(name)
        if parameter is None:
            raise Invalid(
                f"{kind.name} has no parameter {name!r}; {_near(name, kind.parameters)}", code="strategy.parameter"
            )
        if not parameter.allows(value):
            raise Invalid(
                f"{name} of {kind.name} is {value:g}; expected {parameter.bounds}: {parameter.meaning}",
                code="strategy.parameter",
            )
    defaults = {name: parameter.default for name, parameter in kind.parameters.items()}
    return Strategy(name=kind.name, parameters={name: float(v) for name, v in (defaults | strategy.parameters).items()})


def check(strategy: Strategy, framework: str, updates: int, edges: int) -> Strategy:
    """``strategy`` as ``settled`` gives it, if edges with ``framework`` can do their part and updates are enough.

    Args:
        strategy: As it is asked for.
        framework: Of the experiment.
        updates: How many there are at least in a cycle: the quorum.
        edges: How many hold the dataset: a strategy that has to know is told.

    Raises:
        Invalid: As ``settled``, or they cannot, or are not.
    """
    whole = settled(strategy)
    kind = KINDS[whole.name]
    if kind.frameworks is not None and framework not in kind.frameworks:
        able = ", ".join(sorted(kind.frameworks)) or "none of this release"
        raise Invalid(
            f"{kind.name} changes how edges train, which {framework} cannot: it needs {kind.edges}. Frameworks that "
            f"can: {able}",
            code="strategy.framework",
        )
    enough(whole, updates)
    if EDGES in kind.parameters and not whole.parameters[EDGES]:
        whole = whole.model_copy(update={"parameters": {**whole.parameters, EDGES: float(edges)}})
    return whole


def at_edges(strategy: Strategy) -> Strategy | None:
    """What edges have to be told of a strategy; ``None`` if they train in the same way without it."""
    kind = KINDS.get(strategy.name)
    return None if kind is not None and kind.frameworks is None else strategy


def lacking(strategy: Strategy, parent: Strategy) -> str | None:
    """Why an experiment with ``strategy`` cannot go on from a model of one with ``parent``; ``None`` if it can."""
    mine, theirs = (KINDS[each.name].beside if each.name in KINDS else "" for each in (strategy, parent))
    if not mine or mine == theirs:
        return None
    return (
        f"{strategy.name} keeps tensors of its own beside the model, and a model of {parent.name} has none: begin "
        "a new experiment"
    )


def enough(strategy: Strategy, updates: int) -> None:
    """Check that a strategy can work with so many updates.

    Raises:
        Invalid: It needs more.
    """
    least = KINDS[strategy.name].least(strategy.parameters)
    if updates < least:
        told = ", ".join(f"{name} = {value:g}" for name, value in strategy.parameters.items())
        raise Invalid(
            f"{strategy.name} with {told} needs at least {least} updates in every cycle, and {updates} are certain: "
            "raise the quorum, find more edges, or lower the parameter",
            code="strategy.updates",
        )


def _near(wrong: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return did_you_mean(wrong, names, opening="known are ", any_case=False) if names else "it has none"
