"""The calls of an older SDK, for scripts that were written for it: ``from muster.compat import User``.

What lives here: its names in both spellings, its bounds and defaults, and what each call means as a field of a plan
(``words``). What does not: anything that ``muster.Federation`` and ``muster.Plan`` do not do. New scripts use these;
``docs/how-to/come-from-another-sdk.md`` has a table from each call to ours.
"""

from muster.compat.plan import TrainingPlan
from muster.compat.user import User

__all__ = ["TrainingPlan", "User"]
