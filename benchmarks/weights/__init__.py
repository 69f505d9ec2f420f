"""The path of weights through a real federation: out to the edges, sealed updates back, the exact mean, again.

``worker`` is echo training in a worker's place, ``edges`` a process with edge daemons, ``site`` what they hold,
``case`` runs and measures one case. ``python -m benchmarks.weights --help``.
"""
