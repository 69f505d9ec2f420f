"""A federation on one machine, as ``muster up`` makes it, for benchmarks: real server, real services, real bus traffic.

``town`` starts and stops it with the processes of edges that a benchmark names, ``course`` runs experiments in it and
takes figures of every cycle, ``meter`` reads what its processes use. ``benchmarks.scale`` and ``benchmarks.weights``
use it.
"""
