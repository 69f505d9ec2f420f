"""The tamper-evident log as mathematics: leaves, tree, proofs, checkpoints.

What lives here: the bytes of a leaf (``leaf``), the Merkle tree of RFC 9162 with its proofs (``merkle``), signed
notes (``note``) and checkpoints (``checkpoint``) as C2SP specifies them, so that other people's tools can read ours;
the check of a whole log (``verification``).

What does not: where hashes are stored, who follows the stream, when a checkpoint is signed, keys on disk.
Everything is pure: no clock, network, randomness or SQL. The faces may import it, to verify an export offline.
"""
