"""Forests as tensors: what scikit-learn grows, taken apart into arrays, and predictions from the arrays alone.

Trees are members, in two groups that are joined alike: ``trees.nodes`` says how many nodes each tree has (group
``trees``), and all trees' nodes follow each other in ``nodes.*`` (group ``nodes``), tree by tree. Children are counted
from their tree's first node, so that nothing has to be renumbered. Inner nodes hold no value: what they would tell of
the rows is not needed.

Nothing is ever unpickled, and no tree is given back to compiled code: somebody else may have written it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.errors import model_error
from training.registry import Parameters, Problem, Rows
from training.weights import UNION

NODES: Final = "trees.nodes"
"""int64, shape (trees,)."""
LEFT: Final = "nodes.left"
"""int32, shape (nodes,): the child for values up to the threshold; -1 in a leaf."""
RIGHT: Final = "nodes.right"
"""int32, shape (nodes,): the other child; -1 in a leaf."""
FEATURE: Final = "nodes.feature"
"""int32, shape (nodes,): the column that is compared; -1 in a leaf."""
THRESHOLD: Final = "nodes.threshold"
"""float64, shape (nodes,); 0 in a leaf."""
VALUE: Final = "nodes.value"
"""float64, shape (nodes, classes), or (nodes, 1) for a number: a leaf's shares of the classes, or its number."""
REDUCTIONS: Final = {
    NODES: f"{UNION}:trees",
    **dict.fromkeys((LEFT, RIGHT, FEATURE, THRESHOLD, VALUE), f"{UNION}:nodes"),
}
_LEAF: Final = -1


def none(problem: Problem) -> Parameters:
    """A forest without trees."""
    return {
        NODES: np.zeros(0, np.int64),
        **{name: np.zeros(0, np.int32) for name in (LEFT, RIGHT, FEATURE)},
        THRESHOLD: np.zeros(0),
        VALUE: np.zeros((0, _outputs(problem))),
    }


def fingerprint(rows: Rows) -> str:
    """Tells the rows of one edge from those of another, so that they need not draw the same random numbers."""
    whole = hashlib.sha256(np.ascontiguousarray(rows.inputs).tobytes())
    whole.update(np.ascontiguousarray(rows.target).tobytes())
    return whole.hexdigest()


def taken(estimator: Any, problem: Problem) -> Parameters:  # noqa: ANN401 - scikit-learn is not typed
    """The trees of a fitted forest, by its public attributes.

    Args:
        estimator: Classes are codes; it may lack some of them.
        problem: What was learnt.
    """
    found = [each.tree_ for each in estimator.estimators_]
    # Codes of the classes that these rows have; a number has one column.
    columns = [0] if problem.classes is None else np.asarray(estimator.classes_, np.int64)
    leaves = np.concatenate([tree.children_left == _LEAF for tree in found])
    value = np.zeros((len(leaves), _outputs(problem)))
    value[:, columns] = np.concatenate([tree.value[:, 0, :] for tree in found])
    value[~leaves] = 0.0
    return {
        NODES: np.array([tree.node_count for tree in found], np.int64),
        LEFT: np.concatenate([tree.children_left for tree in found]).astype(np.int32),
        RIGHT: np.concatenate([tree.children_right for tree in found]).astype(np.int32),
        FEATURE: np.where(leaves, _LEAF, np.concatenate([tree.feature for tree in found])).astype(np.int32),
        THRESHOLD: np.where(leaves, 0.0, np.concatenate([tree.threshold for tree in found])),
        VALUE: value,
    }


def predicted(parameters: Parameters, inputs: NDArray[np.float64], problem: Problem) -> NDArray[np.float64]:
    """The mean over all trees, in their order, as scikit-learn computes it.

    Args:
        parameters: A forest; without trees, every class is as likely as the others, and a number is 0.
        inputs: Shape (rows, features); compared as float32, as scikit-learn does.
        problem: What was learnt.

    Returns:
        float64, shape (rows, classes), or (rows, 1) for a number.

    Raises:
        TrainingError: The arrays are no forest for this problem.
    """
    total = np.zeros((len(inputs), _outputs(problem)))
    rounded = inputs.astype(np.float32)
    count = 0
    for tree in _trees(parameters, problem):
        total += tree.at(rounded)
        count += 1
    if not count:
        return total if problem.classes is None else total + 1.0 / problem.classes
    return total / count


@dataclass(frozen=True)
class _Tree:
    """One tree's nodes."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]

    def at(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """The value of the leaf that each row comes to; children come after their parents, so it ends."""
        nodes = np.zeros(len(inputs), np.int64)
        walking = np.arange(len(inputs)) if self.left[0] != _LEAF else np.zeros(0, np.int64)
        while len(walking):
            here = nodes[walking]
            below = inputs[walking, self.feature[here]] <= self.threshold[here]
            nodes[walking] = np.where(below, self.left[here], self.right[here])
            walking = walking[self.left[nodes[walking]] != _LEAF]
        return self.value[nodes]


def _trees(parameters: Parameters, problem: Problem) -> Iterator[_Tree]:
    nodes, parts = parameters[NODES], [parameters[name] for name in (LEFT, RIGHT, FEATURE, THRESHOLD, VALUE)]
    total = len(parts[0])
    # Sums of int64 from elsewhere may wrap round; none of these can, once each is known to be in range.
    _require(bool(((nodes >= 1) & (nodes <= total)).all()), "the sizes of its trees")
    _require(sum(map(int, nodes)) == total, "the number of its nodes")
    _check(parameters, np.repeat(nodes, nodes), problem)
    begin = 0
    for size in map(int, nodes):
        yield _Tree(*(part[begin : begin + size] for part in parts))
        begin += size


def _check(parameters: Parameters, sizes: NDArray[np.int64], problem: Problem) -> None:
    """Check that every walk through a tree stays in it and ends.

    Args:
        parameters: All nodes.
        sizes: Of the tree of each node.
        problem: What was learnt.
    """
    left, right, feature = (parameters[name].astype(np.int64) for name in (LEFT, RIGHT, FEATURE))
    nodes = parameters[NODES]
    places = np.arange(len(sizes)) - np.repeat(np.cumsum(nodes) - nodes, nodes)
    leaves = left == _LEAF
    _require(bool((right[leaves] == _LEAF).all()), "its leaves")
    for child in (left, right):
        _require(bool((leaves | ((child > places) & (child < sizes))).all()), "the children of its nodes")
    _require(bool((leaves | ((feature >= 0) & (feature < problem.features))).all()), "the columns that it compares")


def _outputs(problem: Problem) -> int:
    return 1 if problem.classes is None else problem.classes


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - it is what is required
    if not holds:
        raise model_error(
            "model.trees",
            f"the model's trees cannot be used: {what} cannot be; an edge contributed what is no tree: find it with "
            "'muster replay ID --retrain', and train again without it",
        )
