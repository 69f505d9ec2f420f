"""A federation with many edges on one machine: real server, real services, real bus traffic, no training.

``edges`` is a process with many simulated edges, ``tables`` prints what the figures say; the federation and its course
are ``benchmarks.town``. Nobody imports this.
"""
