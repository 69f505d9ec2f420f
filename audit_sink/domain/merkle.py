"""The Merkle tree of RFC 9162, section 2.1: roots, proofs, and their verification.

A *complete subtree* ``(level, index)`` covers the ``2**level`` leaves from ``index * 2**level`` on. Its hash never
changes once these leaves exist, so that a store keeps the hashes of complete subtrees and nothing else: a tree of n
leaves is made of at most ``log2(n) + 1`` of them.

Functions that make proofs read the store through ``HashAt``; functions that check them need nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from bus.errors import Integrity, Invalid

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
"""Root of the tree without leaves (RFC 9162, section 2.1.1)."""

HashAt: TypeAlias = Callable[[int, int], bytes]
"""``(level, index)`` -> hash of a complete subtree; level 0 are leaf hashes."""


def leaf_hash(data: bytes) -> bytes:
    """``SHA-256(0x00 || data)`` (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """``SHA-256(0x01 || left || right)`` (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """The hash of a complete subtree."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Frontier:
    """The least that is needed to go on appending: the largest complete subtrees of a tree, from the left.

    Attributes:
        size: Number of leaves.
        peaks: One hash for each 1 in the binary digits of ``size``, the largest subtree first.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise Invalid(
                f"a tree of {self.size} leaves has no frontier of {len(self.peaks)} hashes", code="merkle.frontier"
            )
        for peak in self.peaks:
            _hash(peak)

    @classmethod
    def load(cls, size: int, hash_at: HashAt) -> Frontier:
        """The frontier of the first ``size`` leaves, from stored hashes."""
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        return cls(size, tuple(hash_at(level, (size >> level) - 1) for level in levels))

    def append(self, leaf: bytes) -> tuple[Frontier, tuple[Node, ...]]:
        """Add one leaf.

        Args:
            leaf: Its leaf hash, 32 bytes.

        Returns:
            The new frontier, and the subtrees that the leaf completes, itself first: what a store must keep.

        Raises:
            Invalid: The hash has another length.
        """
        peaks, index = list(self.peaks), self.size
        nodes = [Node(0, index, _hash(leaf))]
        while index & 1:
            index >>= 1
            nodes.append(Node(len(nodes), index, node_hash(peaks.pop(), nodes[-1].hash)))
        return Frontier(self.size + 1, (*peaks, nodes[-1].hash)), tuple(nodes)

    def root(self) -> bytes:
        """The tree's root hash, MTH of RFC 9162, section 2.1.1."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_hash(size: int, hash_at: HashAt) -> bytes:
    """Root of the first ``size`` leaves."""
    return Frontier.load(size, hash_at).root()


def inclusion_proof(index: int, size: int, hash_at: HashAt) -> list[bytes]:
    """The proof that leaf ``index`` is in the tree of ``size`` leaves: PATH of RFC 9162, section 2.1.3.1.

    Raises:
        Invalid: There is no such leaf.
    """
    if not 0 <= index < size:
        raise Invalid(f"leaf {index} is not in a tree of {size}; expected 0 to {size - 1}", code="merkle.range")
    proof, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            proof.append(_range_hash(middle, end, hash_at))
            end = middle
        else:
            proof.append(_range_hash(begin, middle, hash_at))
            begin = middle
    return proof[::-1]


def consistency_proof(first: int, second: int, hash_at: HashAt) -> list[bytes]:
    """The proof that a tree of ``first`` leaves became one of ``second``: PROOF of RFC 9162, section 2.1.4.1.

    It is empty when there is nothing to prove: ``first`` is 0, or both are equal.

    Raises:
        Invalid: ``first`` is negative or larger than ``second``.
    """
    if not 0 <= first <= second:
        raise Invalid(f"a tree of {second} leaves does not extend one of {first}", code="merkle.range")
    if first in (0, second):
        return []
    proof, begin, end, whole = [], 0, second, True
    # SUBPROOF: ``whole`` says that the range still begins as the old tree did, so its root is known.
    while end != first:
        middle = begin + _split(end - begin)
        if first <= middle:
            proof.append(_range_hash(middle, end, hash_at))
            end = middle
        else:
            proof.append(_range_hash(begin, middle, hash_at))
            begin, whole = middle, False
    if not whole:
        proof.append(_range_hash(begin, end, hash_at))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check an inclusion proof by the algorithm of RFC 9162, section 2.1.3.2.

    Args:
        leaf: Leaf hash of the entry.
        index: Its place, from 0.
        size: Leaves in the tree.
        proof: What ``inclusion_proof`` gave.
        root: Root of the tree, from a checkpoint that was verified.

    Raises:
        Integrity: The proof does not hold.
    """
    if not 0 <= index < size:
        raise Integrity(f"leaf {index} is not in a tree of {size}", code="merkle.inclusion")
    fn, sn, r = index, size - 1, _proven(leaf)
    for p in map(_proven, proof):
        if sn == 0:
            raise Integrity(f"inclusion proof of leaf {index} is too long", code="merkle.inclusion")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            fn, sn = _ascend(fn, sn)
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or r != root:
        message = f"inclusion proof does not lead from leaf {index} to the root of the tree of {size}"
        raise Integrity(message, code="merkle.inclusion")


def verify_consistency(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> None:
    """Check a consistency proof by the algorithm of RFC 9162, section 2.1.4.2.

    The RFC speaks of ``0 < first < second``. Here, too: a tree is consistent with itself, and any tree with the
    empty one, by an empty proof.

    Args:
        first: Leaves in the older tree.
        first_root: Its root.
        second: Leaves in the newer tree.
        second_root: Its root.
        proof: What ``consistency_proof`` gave.

    Raises:
        Integrity: The proof does not hold.
    """
    if not 0 <= first <= second:
        raise Integrity(f"a tree of {second} leaves cannot extend one of {first}", code="merkle.consistency")
    if first in (0, second):
        if proof or first_root != (second_root if first == second else EMPTY_ROOT):
            raise Integrity(f"two trees of {first} leaves differ, or have a needless proof", code="merkle.consistency")
        return
    path = [_proven(p) for p in proof]
    if first.bit_count() == 1:
        path.insert(0, first_root)
    if not path:
        raise Integrity("consistency proof is empty", code="merkle.consistency")
    if _consistent_roots(first, second, path) != (first_root, second_root):
        message = f"consistency proof does not lead from the tree of {first} leaves to that of {second}"
        raise Integrity(message, code="merkle.consistency")


def _consistent_roots(first: int, second: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots as the path has them (steps 3 to 7 of section 2.1.4.2, in its names)."""
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise Integrity("consistency proof is too long", code="merkle.consistency")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            fn, sn = _ascend(fn, sn)
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Integrity("consistency proof is too short", code="merkle.consistency")
    return fr, sr


def _ascend(fn: int, sn: int) -> tuple[int, int]:
    """Shift both until ``fn`` is odd or 0: over the levels on which a node has no right sibling."""
    while not fn & 1 and fn:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _split(count: int) -> int:
    """The largest power of two smaller than ``count``, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_hash(begin: int, end: int, hash_at: HashAt) -> bytes:
    """MTH of the leaves from ``begin`` to ``end``, where ``begin`` is aligned as in a tree."""
    count = end - begin
    if count.bit_count() == 1:
        level = count.bit_length() - 1
        return hash_at(level, begin >> level)
    middle = begin + _split(count)
    return node_hash(_range_hash(begin, middle, hash_at), _range_hash(middle, end, hash_at))


def _hash(value: bytes) -> bytes:
    if len(value) != HASH_BYTES:
        raise Invalid(f"a hash has {len(value)} bytes, expected {HASH_BYTES}", code="merkle.hash")
    return value


def _proven(value: bytes) -> bytes:
    if len(value) != HASH_BYTES:
        raise Integrity(f"a hash in the proof has {len(value)} bytes, expected {HASH_BYTES}", code="merkle.hash")
    return value
