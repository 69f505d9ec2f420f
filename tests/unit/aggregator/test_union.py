"""Members: joined in the order of the closing, none lost, none made, whatever the sizes, cuts and strategies."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from aggregator.domain.formats import STORAGE
from aggregator.domain.unite import Uniter
from bus.errors import Integrity, Invalid, MusterError
from bus.weights.combining import Inputs
from bus.weights.growth import grown
from bus.weights.layout import DType, header_bytes, parse
from bus.weights.lockstep import BodyFailed
from bus.weights.members import MOST
from bus.weights.uniting import stepped
from support.bodies import body, run, tensors
from support.members import Cut, forest, told, unite

FALLING = sorted(DType, key=lambda dtype: -dtype.itemsize)


def values(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers that a type can hold, all finite."""
    random = np.random.default_rng(seed)
    return random.integers(0, 2 if dtype == DType.BOOL else 100, shape).astype(STORAGE[dtype])


@st.composite
def federations(draw: st.DrawFn) -> tuple[dict[str, tuple[str, tuple[int, ...], str]], list[dict[str, int]]]:
    """Tensors (dtype, other axes, group), and how many members of each group each body has; the last model is first."""
    groups = draw(
        st.lists(st.sampled_from(["members", "trees", "nodes", "a-b.c"]), min_size=1, max_size=3, unique=True)
    )
    # Every group has a tensor at least.
    owners = [*groups, *draw(st.lists(st.sampled_from(groups), max_size=4))]
    kinds = sorted((draw(st.sampled_from(FALLING)) for _ in owners), key=lambda dtype: -dtype.itemsize)
    axes = st.lists(st.integers(0, 4), max_size=2).map(tuple)
    spec = {f"t{n}": (kind, draw(axes), owner) for n, (kind, owner) in enumerate(zip(kinds, owners, strict=True))}
    bodies = draw(st.lists(st.fixed_dictionaries({g: st.integers(0, 40) for g in groups}), min_size=2, max_size=5))
    return spec, bodies


def written(spec: Mapping[str, tuple[str, tuple[int, ...], str]], members: Mapping[str, int], seed: int) -> bytes:
    made = {name: values(dtype, (members[group], *axes), seed) for name, (dtype, axes, group) in spec.items()}
    reductions = {name: "union" if group == "members" else f"union:{group}" for name, (_, _, group) in spec.items()}
    return body(made, {name: dtype for name, (dtype, _, _) in spec.items()}, reductions)


@settings(deadline=None)
@given(federations(), st.sampled_from([8, 64, 4096]), st.integers(1, 700), st.booleans())
def test_any_split_is_the_concatenation(
    federation: tuple[dict[str, tuple[str, tuple[int, ...], str]], list[dict[str, int]]],
    run_bytes: int,
    chunk_bytes: int,
    goes_on: bool,
) -> None:
    spec, counts = federation
    bodies = [written(spec, members, seed) for seed, members in enumerate(counts)]
    previous, updates = (bodies[0], bodies[1:]) if goes_on else (None, bodies)
    found = unite(updates, previous, run_bytes=run_bytes, chunk_bytes=chunk_bytes)
    parts = [tensors(each) for each in bodies]
    for name, tensor in tensors(found.model).items():
        expected = np.concatenate([part[name] for part in parts])
        assert tensor.shape == expected.shape
        assert tensor.tobytes() == expected.tobytes()
    assert found.added == {
        group: {index: members[group] for index, members in enumerate(counts[goes_on:])} for group in counts[0]
    }
    assert parse(found.model[: header_bytes(found.model)]).members == {g: sum(c[g] for c in counts) for g in counts[0]}


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=5), st.integers(0, 9), st.sampled_from([8, 24, 512]))
def test_what_has_no_members_is_combined_as_ever(news: list[int], before: int, run_bytes: int) -> None:
    updates = [forest(trees, fill, w=float(fill)) for fill, trees in enumerate(news)]
    examples = [3 * n + 1 for n in range(len(news))]
    found = tensors(unite(updates, forest(before, 77), examples, run_bytes=run_bytes).model)
    bare = [tensors(each) for each in updates]
    dtypes = {"count": "I64", "w": "F32"}
    alike = [body({name: each[name] for name in dtypes}, dtypes, {"count": "sum"}) for each in bare]
    expected = tensors(run("fedavg", alike, examples).model)
    assert all(found[name].tobytes() == expected[name].tobytes() for name in dtypes)
    assert found["leaf"].tolist() == [77] * before + [fill for fill, trees in enumerate(news) for _ in range(trees)]


@pytest.mark.parametrize("name", ["fedavgm", "fedadam", "fedyogi", "fedadagrad"])
def test_state_is_that_of_what_is_learnt(name: str) -> None:
    def bare(content: bytes) -> bytes:
        return body({"w": tensors(content)["w"]}, {"w": "F32"})

    first, second = [forest(2, 1, 1.0), forest(3, 2, 3.0)], [forest(1, 1, 5.0), forest(0, 2, 4.0)]
    before = forest(4, 9, 0.5)
    once = unite(first, before, strategy=name)
    twice = unite(second, once.model, strategy=name, state=once.state, run_bytes=8, chunk_bytes=33)
    one = run(name, [bare(each) for each in first], previous=bare(before))
    two = run(name, [bare(each) for each in second], previous=one.model, state=one.state)
    assert (once.state, twice.state) == (one.state, two.state)
    assert tensors(twice.model)["w"].tobytes() == tensors(two.model)["w"].tobytes()
    assert tensors(twice.model)["leaf"].tolist() == [9] * 4 + [1] * 2 + [2] * 3 + [1]
    with pytest.raises(Integrity, match="another strategy or model"):
        unite(second, once.model, strategy=name, state=b"x" * len(once.state))


@pytest.mark.parametrize("name", ["fedmedian", "fedtrimmedavg", "uniform"])
def test_strategies_that_choose_nobody_take_all_members(name: str) -> None:
    found = unite([forest(fill, fill, fill) for fill in range(5)], forest(1, 9), strategy=name)
    assert tensors(found.model)["leaf"].tolist() == [9, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4]


def test_only_chosen_updates_add_members() -> None:
    updates = [forest(1, 1, 0.0), forest(2, 2, 0.1), forest(3, 3, 50.0), forest(4, 4, 0.2), forest(5, 5, 0.3)]
    found = unite(updates, forest(2, 9), strategy="multikrum", f=1, keep=3, run_bytes=8)
    assert found.chosen is not None
    assert 2 not in found.chosen
    assert found.added == {"members": {index: index + 1 for index in found.chosen}}
    assert tensors(found.model)["leaf"].tolist() == [9, 9] + [n + 1 for n in found.chosen for _ in range(n + 1)]
    assert tensors(found.model)["count"][0] == 15, "a sum is nobody's choice"


def test_nothing_learnt_is_nothing_to_choose_by() -> None:
    bare = [body({"t": np.zeros((n, 2))}, {"t": "F64"}, {"t": "union"}) for n in range(5)]
    with pytest.raises(Invalid, match="nothing is, only joined") as failed:
        unite(bare, strategy="krum")
    assert failed.value.code == "strategy.learnt"


def test_nothing_new_from_anybody_is_the_same_file() -> None:
    before = unite([forest(2, 1)]).model
    alone = body({"t": np.ones((3, 2))}, {"t": "F64"}, {"t": "union"})
    model = unite([alone]).model
    empty = body({"t": np.ones((0, 2))}, {"t": "F64"}, {"t": "union"})
    assert unite([empty, empty], model).model == model
    assert unite([forest(0, 0)], before).model != before, "a sum has changed"


def test_the_outcome_is_what_the_library_would_write() -> None:
    metadata = {"muster": '{"reductions": {"\u00e4\\"1": "union", "b": "union:x", "c": "union:x"}}'}

    def file(one: int, two: int) -> bytes:
        made = {"c": np.arange(two, dtype=np.int8), "b": np.ones((two, 3), np.float32), '\u00e4"1': np.ones((one, 2))}
        return save(made, metadata)

    whole = tensors(file(7, 5))
    united = unite([file(7, 5), file(0, 0)]).model
    assert tensors(united).keys() == whole.keys()
    assert united == file(7, 5)


def test_the_form_leaves_out_numbers_of_members_alone() -> None:
    def digest(content: bytes) -> str:
        return parse(content[: header_bytes(content)]).digest

    def one(shape: tuple[int, ...], dtype: str = "F32", reduction: str = "union") -> str:
        return digest(body({"t": np.zeros(shape, STORAGE[dtype])}, {"t": dtype}, {"t": reduction}))

    assert one((3, 2)) == one((0, 2)) == one((10**4, 2))
    others = {one((3, 2)), one((3, 3)), one((3, 2), "F64"), one((3, 2), reduction="union:x"), one((3,)), one((3, 2, 1))}
    assert len(others) == 6
    plain = body({"t": np.zeros(3, np.float32)}, {"t": "F32"})
    header = plain[: header_bytes(plain)]
    assert digest(plain) == f"sha256:{hashlib.sha256(header).hexdigest()}", "without members nothing is new"
    assert one((3,), reduction="mean") != one((4,), reduction="mean")


BAD_UPDATES = {
    "other axes": (
        body({"t": np.zeros((1, 3))}, {"t": "F64"}, {"t": "union"}),
        {},
        "differ in name, type, shape",
        "weights.layout",
    ),
    "another type": (
        body({"t": np.zeros((1, 2), np.int64)}, {"t": "I64"}, {"t": "union"}),
        {},
        "differ in name, type, shape",
        "weights.layout",
    ),
    "another group": (
        body({"t": np.zeros((1, 2))}, {"t": "F64"}, {"t": "union:x"}),
        {},
        "differ in name, type, shape",
        "weights.layout",
    ),
    "a lie about the form": (
        body({"t": np.zeros((1, 2))}, {"t": "F64"}, {"t": "union"}),
        {"layout": "sha256:other"},
        "not those that its event tells of",
        "weights.layout",
    ),
    "a lie about the members": (
        body({"t": np.zeros((1, 2))}, {"t": "F64"}, {"t": "union"}),
        {"members": {"members": 2}},
        "has members 1 of 'members', where its event says 2 of 'members'",
        "weights.members",
    ),
    "not finite": (
        body({"t": np.array([[0.0, np.nan]])}, {"t": "F64"}, {"t": "union"}),
        {},
        "tensor 't': element 1 is not finite",
        "weights.not_finite",
    ),
}


@pytest.mark.parametrize(
    # The first is what others are compared with: declared forms were compared with the model's before.
    ("what", "place"),
    [
        (what, place)
        for what, bad in BAD_UPDATES.items()
        for place in (0, 1)
        if place or not bad[2].startswith("differ")
    ],
)
def test_a_bad_update_is_blamed_on_its_edge(what: str, place: int) -> None:
    content, changes, words, code = BAD_UPDATES[what]
    good = body({"t": np.zeros((2, 2))}, {"t": "F64"}, {"t": "union"})
    updates = [good, good, good]
    updates[place] = content
    said = [told(each) for each in updates]
    said[place] = told(content, **changes)
    with pytest.raises(BodyFailed, match=words) as failed:
        unite(updates, good, inputs=Inputs(said, told(good)))
    assert (failed.value.index, failed.value.code) == (place, code)


@pytest.mark.parametrize("cut", [4, 40, -1])
def test_an_update_that_ends_early_or_late_is_blamed_on_its_edge(cut: int) -> None:
    good = forest(3, 1)
    inputs = Inputs([told(good)] * 3, told(good))
    for bad, words in ((good[:cut], "ends too early"), (good + b"x", "longer than its header says")):
        with pytest.raises(BodyFailed, match=words) as failed:
            unite([good, good, bad], good, inputs=inputs)
        assert failed.value.index == 2
        with pytest.raises(Integrity, match=words) as nobody:
            unite([good] * 3, bad, inputs=inputs)
        assert not isinstance(nobody.value, BodyFailed), "no edge is to blame for the last global model"


def test_a_group_that_disagrees_is_no_update() -> None:
    bad = body({"a": np.zeros(2), "b": np.zeros(3)}, {"a": "F64", "b": "F64"}, {"a": "union", "b": "union"})
    with pytest.raises(Invalid, match="'b' has 3 members and 'a' has 2") as failed:
        parse(bad[: header_bytes(bad)])
    assert failed.value.code == "weights.members"


@pytest.mark.parametrize("reduction", ["union:", "union:A", "unions", "union:a b", "union:" + "x" * 65])
def test_a_group_needs_a_name(reduction: str) -> None:
    bad = body({"a": np.zeros(2)}, {"a": "F64"}, {"a": reduction})
    with pytest.raises(Invalid, match="expected 'union' or 'union:<group>'"):
        parse(bad[: header_bytes(bad)])


def test_a_scalar_has_no_members() -> None:
    bad = body({"a": np.zeros(())}, {"a": "F64"}, {"a": "union"})
    with pytest.raises(Invalid, match="is a scalar"):
        parse(bad[: header_bytes(bad)])


def test_a_flood_of_members_without_bytes_is_not_counted() -> None:
    with pytest.raises(Invalid, match="can be counted"):
        body_with(MOST + 1)
    most = body_with(MOST)
    with pytest.raises(Invalid, match="would have") as failed:
        unite([most], most)
    assert failed.value.code == "members.size"


def body_with(members: int) -> bytes:
    """Members of no byte each."""
    small = body({"a": np.zeros((1, 0))}, {"a": "F64"}, {"a": "union"})
    return grown(parse(small), {"members": members}).header


def test_small_elements_before_large_ones_are_refused() -> None:
    bad = body(
        {"a": np.zeros(8, np.int8), "b": np.zeros(1)}, {"a": "I8", "b": "F64"}, {"a": "union", "b": "union:other"}
    )
    with pytest.raises(Invalid, match="falling element size"):
        parse(bad[: header_bytes(bad)])


def test_a_model_may_not_outgrow_the_plan() -> None:
    updates, before = [forest(10, 1), forest(20, 2)], forest(30, 3)
    size = len(unite(updates, before).model)
    assert unite(updates, before, most_bytes=size)
    with pytest.raises(Invalid, match=r"group 'members': 30 members and 30 new ones\)") as failed:
        unite(updates, before, most_bytes=size - 1)
    assert failed.value.code == "members.size"


def test_members_that_get_lost_on_the_way_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Uniter._members

    def forgetful(self: Uniter, *arguments: object) -> object:
        made = whole(self, *arguments)  # type: ignore[arg-type]
        self._joined["leaf"] = 0
        return made

    monkeypatch.setattr(Uniter, "_members", forgetful)
    with pytest.raises(MusterError, match="'leaf' should have 3 bytes of members, and 0 were joined") as failed:
        unite([forest(3, 1)])
    assert failed.value.code == "members.lost"


def test_the_row_path_refuses_members_that_nobody_told_of() -> None:
    with pytest.raises(BodyFailed, match="does not tell of"):
        run("fedavg", [forest(1, 1), forest(1, 1)])


CHUNK = 64 * 1024
EDGES = 5


def long_header(chunks: int) -> bytes:
    """Of a body whose members and learnt numbers are so many chunks each."""
    wide, w = body({"t": np.zeros((1, CHUNK // 4), np.float32)}, {"t": "F32"}, {"t": "union"}), CHUNK * chunks
    layout = grown(parse(wide[: header_bytes(wide)]), {"members": chunks})
    content = json.loads(layout.header[8:])
    content["w"] = {"dtype": "F32", "shape": [w // 4], "data_offsets": [w, 2 * w]}
    content["__metadata__"] = {"muster": json.dumps({"reductions": {"t": "union", "w": "mean"}})}
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def peak_bytes(chunks: int) -> int:
    header = long_header(chunks)
    layout = parse(header)

    def chunked() -> Iterator[bytes]:
        yield header
        for _ in range(2 * chunks):
            yield np.full(CHUNK // 4, 1, np.float32).tobytes()

    async def unite_all() -> int:
        inputs = Inputs([told(header)] * EDGES, told(header))
        uniter, written = Uniter([1] * EDGES, run_bytes=CHUNK), 0
        async for made in stepped(inputs, [Cut(chunked()) for _ in range(EDGES + 1)], None, uniter):
            written += sum(map(len, made.chunks))
        assert written == uniter.layout.size_bytes
        return written

    tracemalloc.start()
    assert asyncio.run(unite_all()) > (EDGES + 2) * chunks * CHUNK
    assert layout.size_bytes == len(header) + 2 * chunks * CHUNK
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_members() -> None:
    peak_bytes(3)
    # A few runs of each body more or less are held as threads take turns; 90 runs more of each would be 35 MB.
    assert peak_bytes(96) < 3 * peak_bytes(6)
