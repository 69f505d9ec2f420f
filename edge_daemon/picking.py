"""Which training rows an edge takes, if an experiment takes only some; nobody but the edge knows.

Rows are drawn class by class without replacement, from a stream of the experiment's seed that is the class's own: the
same rows in every cycle, on every database and when a run is proved, whatever is taken of other classes. Another number
is another draw: two experiments of which one takes a row more do not differ by that row alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from training.errors import data_error
from training.seeds import derive

Places = NDArray[np.intp]


def picked(rows: Mapping[str, Places], wanted: Mapping[str, int], seed: int) -> Places:
    """Places of the rows that are taken, ascending.

    Args:
        rows: Class -> places of its rows, ascending; of one nameless class, where a number is learnt.
        wanted: Class -> how many of them.
        seed: Of the experiment.

    Raises:
        TrainingError: There are not so many.
    """
    found = []
    for label, count in sorted(wanted.items()):
        there = rows.get(label, np.zeros(0, np.intp))
        if not 0 <= count <= len(there):
            raise data_error(
                "data.rows",
                f"{count} rows of a class are to be taken, and this edge has {len(there)}: its dataset has changed "
                "since the experiment was submitted",
            )
        random = np.random.Generator(np.random.PCG64(derive(seed, "taken", label, count)))
        found.append(random.permutation(there)[:count])
    return np.sort(np.concatenate([np.zeros(0, np.intp), *found]).astype(np.intp))
