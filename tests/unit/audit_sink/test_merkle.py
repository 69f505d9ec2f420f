"""The Merkle tree against the vectors of Certificate Transparency and against its own definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_sink.domain.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from bus.errors import Integrity, Invalid

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Roots of the first 1 to 8 leaves: the reference data of the Certificate Transparency implementations."""

PATHS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
"""Leaf, tree size, inclusion proof; of the same reference data."""
GROWTHS = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
"""Older size, newer size, consistency proof; of the same reference data."""


class Tree:
    """Everything that a store would keep."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.frontier = Frontier()
        self.roots = [self.frontier.root()]
        self.nodes: dict[tuple[int, int], bytes] = {}
        for leaf in leaves:
            self.frontier, grown = self.frontier.append(leaf)
            self.nodes |= {(node.level, node.index): node.hash for node in grown}
            self.roots.append(self.frontier.root())

    def at(self, level: int, index: int) -> bytes:
        return self.nodes[(level, index)]


def defined(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162, section 2.1.1, defines it."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(defined(leaves[:split]), defined(leaves[split:]))


def test_known_roots() -> None:
    tree = Tree([leaf_hash(leaf) for leaf in LEAVES])
    assert [root.hex() for root in tree.roots[1:]] == ROOTS
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_known_inclusion_proofs(index: int, size: int, path: list[str]) -> None:
    tree = Tree([leaf_hash(leaf) for leaf in LEAVES])
    proof = [bytes.fromhex(text) for text in path]
    assert inclusion_proof(index, size, tree.at) == proof
    verify_inclusion(leaf_hash(LEAVES[index]), index, size, proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("first", "second", "path"), GROWTHS)
def test_known_consistency_proofs(first: int, second: int, path: list[str]) -> None:
    tree = Tree([leaf_hash(leaf) for leaf in LEAVES])
    proof = [bytes.fromhex(text) for text in path]
    assert consistency_proof(first, second, tree.at) == proof
    roots = [bytes.fromhex(root) for root in ROOTS]
    verify_consistency(first, roots[first - 1], second, roots[second - 1], proof)


def test_leaves_and_nodes_are_kept_apart() -> None:
    assert leaf_hash(bytes(64)) != node_hash(bytes(32), bytes(32))


hashes = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


@given(hashes)
def test_the_tree_is_as_defined_and_can_be_loaded_at_any_size(leaves: list[bytes]) -> None:
    tree = Tree(leaves)
    for size in range(len(leaves) + 1):
        assert tree.roots[size] == defined(leaves[:size])
        assert root_hash(size, tree.at) == tree.roots[size]


@given(hashes, st.data())
def test_every_leaf_can_be_proved_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    tree, size = Tree(leaves), len(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, tree.at)
    verify_inclusion(leaves[index], index, size, proof, tree.roots[size])
    with pytest.raises(Integrity):
        verify_inclusion(
            bytes(31) + b"\x01" if leaves[index] == bytes(32) else bytes(32), index, size, proof, tree.roots[-1]
        )
    if proof:
        with pytest.raises(Integrity):
            verify_inclusion(leaves[index], index, size, proof[:-1], tree.roots[size])
    with pytest.raises(Integrity):
        verify_inclusion(leaves[index], index, size, [*proof, bytes(32)], tree.roots[size])


@given(hashes, st.data())
def test_every_earlier_tree_can_be_proved_to_be_a_beginning(leaves: list[bytes], data: st.DataObject) -> None:
    tree, second = Tree(leaves), len(leaves)
    first = data.draw(st.integers(0, second))
    proof = consistency_proof(first, second, tree.at)
    verify_consistency(first, tree.roots[first], second, tree.roots[second], proof)
    if 0 < first < second:
        with pytest.raises(Integrity):
            verify_consistency(first, bytes(32), second, tree.roots[second], proof)
        with pytest.raises(Integrity):
            verify_consistency(first, tree.roots[first], second, bytes(32), proof)
        with pytest.raises(Integrity):
            verify_consistency(first, tree.roots[first], second, tree.roots[second], [*proof, bytes(32)])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 2)])
def test_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(Invalid):
        inclusion_proof(index, size, Tree([bytes(32)] * 4).at)


def test_a_hash_has_32_bytes() -> None:
    with pytest.raises(Invalid):
        Frontier().append(b"short")
    with pytest.raises(Invalid):
        Frontier(3, (bytes(32),))
