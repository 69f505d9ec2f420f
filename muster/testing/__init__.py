"""A whole federation in this process, for users' own tests and first steps. Part of the public API.

::

    with muster.testing.federation({"a": frame, "b": "b.csv"}, target="y", category="tabular_classification") as fed:
        model = fed.upload("model.py")
        run = fed.start(fed.link(model, "data").plan("trial", cycles=2))
        assert run.wait().state == "completed"

The services are the real ones, on a broker in memory; workers are processes, with the walls that this machine has.
Nothing is kept: there is no audit sink and no server, and what was in it goes with the block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from muster.sdk.blocking import Federation
from muster.testing.running import running

DATASET: Final = "data"

__all__ = ["DATASET", "federation", "running"]


def federation(
    data: Mapping[str, Any],
    *,
    target: str,
    category: str,
    dataset: str = DATASET,
    words: Any = None,  # noqa: ANN401
) -> Federation:
    """A federation that ends with ``close`` or the ``with`` block; ``running`` is for those who await.

    Args:
        data: Edge -> its rows: a data frame or a CSV file with a header, of which every fourth row is kept for tests,
            or a pair of them, for training and for tests.
        target: Column to be learned.
        category: Such as ``tabular_classification``.
        dataset: Name under which all edges hold it.
        words: Text columns whose words may be known, or ``all``; see ``muster ingest --words``.

    Raises:
        Invalid: The rows cannot be used; the message says where.
    """
    return Federation(lambda: running(data, target=target, category=category, dataset=dataset, words=words))
