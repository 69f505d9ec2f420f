"""Remembers every event in a tamper-evident log: Merkle tree, signed checkpoints, proofs and exports.

``domain`` is pure (RFC 9162 trees, checkpoints, offline verification) and may be used by the faces; ``service``
follows the event stream into SQL.
"""
