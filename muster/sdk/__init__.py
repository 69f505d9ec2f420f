"""The Python SDK: a federation as objects, for scripts and notebooks.

``federation`` and ``experiment`` are the face, and all of what it does, in asyncio; ``blocking`` is the same face for
everybody else: it runs the other one's event loop in a thread of its own (``portal``), so it works inside a running
event loop too, as in a notebook. What they do stands in the modules of ``muster`` that the command line uses as well.

``muster`` names what is public here; ``docs/reference/sdk.md`` lists it.
"""
