"""How far a cycle is from what this machine can do at all: ``python -m benchmarks.limit``.

``wire`` measures the NATS server with a client that does nothing but move bytes, ``primitives`` the rest, ``bound``
adds them up. Nobody imports this.
"""
