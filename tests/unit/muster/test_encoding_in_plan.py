"""What a plan says of encodings is checked before anything is sent, and said in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import Invalid
from bus.events.encodings import check
from bus.events.strategies import KINDS
from bus.events.weights import Encoding
from muster.submission.submit import encoding_of, read_draft
from support.plans import plan_file


def plan(folder: Path, encoding: str, strategy: str = "fedavg") -> Path:
    return plan_file(folder, f"strategy: {{name: {strategy}}}", f"transport: {{encoding: {encoding}}}")


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("{values: int}", "transport.encoding.values: 'int' is not known; did you mean 'int8'?"),
        ("{values: fp8}", "expected one of"),
        ("{compression: zst}", "did you mean 'zstd'"),
        ("{keep: 0}", "greater than 0"),
        ("{keep: 10}", "less than or equal to 1"),
        ("{error_feedback: true, compression: zstd}", "leave nothing out"),
        ("{value: int8}", "did you mean 'values'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, encoding: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_draft(plan(tmp_path, encoding))
    assert words in str(caught.value)


@pytest.mark.parametrize("strategy", ["fedmedian", "fedtrimmedavg", "krum", "multikrum"])
def test_few_elements_do_not_go_with_strategies_that_compare_them(tmp_path: Path, strategy: str) -> None:
    with pytest.raises(Invalid, match=f"{strategy} compares updates element by element") as caught:
        read_draft(plan(tmp_path, "{keep: 0.1}", strategy))
    assert caught.value.code == "encoding.strategy"
    assert read_draft(plan(tmp_path, "{values: int8, compression: zstd}", strategy))


def test_every_strategy_says_whether_it_compares() -> None:
    assert {name for name, kind in KINDS.items() if kind.elementwise} == {
        *("fedmedian", "fedtrimmedavg", "krum", "multikrum")
    }


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("{}", Encoding()),
        ("{compression: zstd}", Encoding(compression="zstd")),
        ("{values: int8}", Encoding(values="int8", error_feedback=True)),
        ("{values: bfloat16}", Encoding(values="bfloat16")),
        ("{values: bfloat16, error_feedback: true}", Encoding(values="bfloat16", error_feedback=True)),
        ("{keep: 0.01}", Encoding(keep=0.01, error_feedback=True)),
        ("{keep: 0.01, values: int8, error_feedback: false}", Encoding(values="int8", keep=0.01)),
    ],
)
def test_what_is_left_open_is_said_in_full(tmp_path: Path, encoding: str, expected: Encoding) -> None:
    found = encoding_of(read_draft(plan(tmp_path, encoding)).plan.transport.encoding)
    assert found == expected
    assert found.plain is (encoding == "{}")


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.5, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused_whoever_says_it(keep: float) -> None:
    with pytest.raises(Invalid) as caught:
        check(Encoding(keep=keep), "fedavg")
    assert caught.value.code == "encoding.keep"


@pytest.mark.parametrize("words", [{"values": "int4"}, {"compression": "gzip"}])
def test_words_that_are_unknown_are_refused_whoever_says_them(words: dict[str, str]) -> None:
    with pytest.raises(Invalid, match=r"did you mean|known are") as caught:
        check(Encoding(**words), "fedavg")
    assert caught.value.code == "encoding.unknown"
