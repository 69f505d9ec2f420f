"""The SDK in asyncio: the same names as in ``muster``, to be awaited.

::

    async with muster.aio.Federation.connect() as fed:
        run = await fed.start("plan.yaml")
        print(await run.follow())

What is a property in the blocking face and has to ask the federation is a method here: ``await run.status()``.
"""

from muster.sdk.experiment import Experiment
from muster.sdk.federation import Federation

__all__ = ["Experiment", "Federation"]
