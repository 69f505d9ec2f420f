"""A federation with many edges on one machine: real server, real services, real bus traffic, no training.

``edges`` is a process with many simulated edges, ``town`` starts and stops a federation of them, ``meter`` reads what
processes use, ``course`` runs experiments and takes figures, ``tables`` prints them. Nobody imports this.
"""
