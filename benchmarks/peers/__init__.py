"""The same workload on Flower, NVFlare, bare sockets and Muster, side by side on one machine.

``install`` makes virtual environments for the others, ``apps`` is what runs inside of them (their public interfaces
and numpy only, nothing of ours), ``systems`` starts and ends them, ``case`` runs and measures one case. Nobody imports
this.
"""
