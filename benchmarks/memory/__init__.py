"""Resident memory over the size of the model and over the number of edges: ``python -m benchmarks.memory``.

``curve`` draws, ``page`` writes ``docs/explanation/memory.md``. Nobody imports this.
"""
