"""What every framework plug-in has to keep, as checks that its tests run: ours, and those of third parties.

What lives here: cases (``case``), and checks of how a model learns (``learning``), of what a plan says (``plans``), of
what strategies add (``guided``), of weights of classes (``weighing``), of losses in files (``losses``), of what
optimizers are kept with (``resuming``) and of work in worker processes (``processes``). What does not: what is special
about one framework. Needs no test runner: a check raises ``AssertionError``. How to use it: docs/how-to/add-a-
framework.md.

::

    CASES = {"layers": Case(MINE, SOURCE, Training(epochs=8, batch_size=8), classes=3, guided=True)}

    @pytest.mark.parametrize(("case", "check"), pairs(CASES))
    def test_my_framework(case: Case, check: Check) -> None:
        check(case)
"""

from training.testing.case import Case, Check
from training.testing.suite import CHECKS, WORKER_CHECKS, pairs

__all__ = ["CHECKS", "WORKER_CHECKS", "Case", "Check", "pairs"]
