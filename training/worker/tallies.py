"""Reading the tallies that a worker wrote, which may be anything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from training.errors import TrainingError, egress_error
from training.scoring.tallies import Tally

_MAX_TEXT: Final = 500


def read_tallies(said: Iterable[Any], scored: Mapping[tuple[str, str], int], classes: int | None) -> Iterator[Tally]:
    """Tallies, each the only one of its set of rows.

    Args:
        said: As JSON gave them.
        scored: Split and stage of every set of rows of which there are metrics -> its rows.
        classes: How many there are; ``None`` where the target is a number.

    Raises:
        TrainingError: One does not add up, or is about other rows or classes than there are.
    """
    left = dict(scored)
    for one in said:
        try:
            # As JSON again: what is strict knows arrays from there, and not as lists.
            tally = Tally.model_validate_json(json.dumps(one))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise _refused(f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()) from error
        if left.pop((tally.split, tally.stage), None) != tally.count:
            raise _refused(f"it has {tally.count} rows of {tally.stage}/{tally.split}, and the metrics are of others")
        if (None if tally.classes is None else len(tally.classes.actual)) != classes:
            raise _refused(f"it is not about {'numbers' if classes is None else f'{classes} classes'}")
        yield tally


def _refused(why: str) -> TrainingError:
    return egress_error("metrics.tally", f"the worker's counts and sums do not add up: {why[:_MAX_TEXT]}")
