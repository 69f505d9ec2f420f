"""What a plan asks of columns, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.edges import task_for
from training.errors import TrainingError
from training.plan import Plan
from training.preprocessing.asked import Kind, Known
from training.preprocessing.choices import ColumnChoice, Derived, Preprocessing
from training.preprocessing.preparation import Column, Preparation

KNOWN = {
    "age": Known(Kind.NUMBER, missing=True),
    "bmi": Known(Kind.NUMBER),
    "smoker": Known(Kind.BOOLEAN, missing=True, words={"false": 30, "true": 10}),
    "mixed": Known(Kind.OTHER, words={"m": 20}),
    "sex": Known(Kind.TEXT, missing=True, words={"m": 20, "f": 25, "x": 1}),
}
PCA = Derived(make="pca", of=("age", "bmi"), components=1)


def prepared(names: tuple[str, ...], *derived: Derived, **said: Any) -> Preparation:
    return task_for(names, KNOWN, Preprocessing(**said), derived).prepared


def test_words_are_sorted_and_rare_ones_left_out() -> None:
    found = prepared(("sex",), encode="onehot", min_count=2)
    assert found.names == ("sex=f", "sex=m")
    assert found.columns[0].impute == "none", "there is no mean of words"


def test_true_and_false_are_numbers_unless_it_is_said() -> None:
    assert prepared(("smoker",), encode="onehot").is_plain
    found = prepared(("smoker",), columns={"smoker": ColumnChoice(encode="onehot", impute="most_frequent")})
    assert found.names == ("smoker=false", "smoker=true")
    assert found.columns[0].value == 0.0


def test_a_constant_may_be_a_word() -> None:
    choice = ColumnChoice(impute="constant", value="m")
    found = prepared(("sex", "age"), encode="ordinal", columns={"sex": choice})
    assert (found.columns[0].impute, found.columns[0].value) == ("constant", 1.0)
    assert found.columns[1] == Column(name="age")


def test_words_that_yaml_takes_for_something_else(tmp_path: Path) -> None:
    known = {"sick": Known(Kind.BOOLEAN), "ward": Known(Kind.TEXT, words={"1": 9, "2": 9})}
    said = "columns: {sick: {encode: ordinal, impute: constant, value: true}, ward: {impute: constant, value: 2}}"
    text = f"{GOOD}data: {{dataset: d}}\npreprocessing:\n  encode: ordinal\n  {said}\n"
    (tmp_path / "plan.yaml").write_text(text)
    found = task_for(["sick", "ward"], known, Plan.load(tmp_path / "plan.yaml").preprocessing).prepared
    assert [column.value for column in found.columns] == [1.0, 1.0]


def test_indicators_are_for_columns_with_missing_cells() -> None:
    found = prepared(("age", "bmi", "sex"), encode="ordinal", missing_indicators=True)
    assert found.names == ("age", "bmi", "sex", "missing(age)", "missing(sex)")
    asked = {"bmi": ColumnChoice(missing_indicator=True), "age": ColumnChoice(missing_indicator=False)}
    assert prepared(("age", "bmi"), missing_indicators=True, columns=asked).names == ("age", "bmi", "missing(bmi)")


def test_what_travels_comes_back_as_it_was() -> None:
    ratio = Derived(make="ratio", of=("age", "bmi"))
    for found in (
        prepared(("age", "bmi")),
        prepared(("age", "sex"), encode="onehot", scale="robust"),
        prepared(("age",), ratio, PCA.model_copy(update={"of": ("age", "age/bmi")}), impute="median"),
    ):
        features = tuple(column.name for column in found.columns if column.name in KNOWN)
        assert Preparation.told(features, *found.said) == found
    assert prepared(("age", "bmi")).said == ("", "")


@pytest.mark.parametrize("columns", ["[", '[{"name": "other"}]', '[{"name": "age", "surprise": 1}]'])
def test_what_travels_is_not_believed(columns: str) -> None:
    with pytest.raises(TrainingError, match="preparation") as caught:
        Preparation.told(("age",), columns, "")
    assert caught.value.code == "plan.features"


@pytest.mark.parametrize(
    ("names", "derived", "said", "words"),
    [
        (("sex",), (), {}, "column 'sex' holds text: say preprocessing.encode"),
        (("sex",), (), {"encode": "onehot", "min_count": 99}, "no word of column 'sex' was registered in 99"),
        (("mixed",), (), {"encode": "onehot"}, "column 'mixed' holds one thing at one edge and another at the next"),
        (("age",), (), {"impute": "most_frequent"}, "the most frequent number of 'age' is not known"),
        (("age",), (), {"impute": "constant"}, "'value' must be a number, found None"),
        (
            ("age",),
            (),
            {"columns": {"aeg": ColumnChoice(scale="none")}},
            "'aeg', which is no feature; did you mean 'age'?",
        ),
        (("age",), (), {"columns": {"age": ColumnChoice(encode="onehot")}}, "holds numbers, which are not encoded"),
        (
            ("sex",),
            (),
            {"encode": "onehot", "columns": {"sex": ColumnChoice(impute="constant", value="ff")}},
            "found 'ff'; did you mean 'f'?",
        ),
        (("sex",), (), {"encode": "onehot", "columns": {"sex": ColumnChoice(scale="minmax")}}, "which are not scaled"),
        (
            ("age", "sex"),
            (Derived(make="sum", of=("age", "sex")),),
            {"encode": "ordinal"},
            "a sum is made of 'sex', which holds words",
        ),
        (("age",), (PCA,), {}, "a pca is made of 'bmi', which is no feature; expected one of age"),
        (("age", "bmi"), (PCA.model_copy(update={"components": 3}),), {}, "at most 2 components, not 3"),
        (("age", "bmi"), (PCA,), {"impute": "none"}, "'age', whose missing cells are not filled in"),
        (("age", "bmi"), (Derived(make="sum", of=("age", "bmi")),) * 2, {}, "two features are called 'age+bmi'"),
    ],
)
def test_what_cannot_be_done_is_told(names: Any, derived: Any, said: Any, words: str) -> None:
    with pytest.raises(TrainingError) as caught:
        prepared(names, *derived, **said)
    assert words in caught.value.message
    assert caught.value.code == "plan.features"


GOOD = "name: n\nmodel: m.py\ncycles: 3\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: {dataset: d, derive: [{make: prodct, of: [a, b]}]}", "did you mean 'product'?"),
        ("data: {dataset: d, derive: [{make: ratio, of: [a, b, c]}]}", "a ratio is made of 2 columns, not of 3"),
        ("data: {dataset: d, derive: [{make: sum, of: [a, a]}]}", "names a column twice"),
        ("data: {dataset: d, derive: [{make: pca, of: [a, b]}]}", "'pca' needs 'components'"),
        ("data: {dataset: d, derive: [{make: sum, of: [a, b], degree: 2}]}", "'degree' belongs to 'polynomial'"),
        (
            "data: {dataset: d, derive: [{make: sum, degre: 2, of: [a, b]}]}",
            "degre is not a field; did you mean 'degree'?",
        ),
        (
            f"data: {{dataset: d, derive: [{{make: polynomial, of: {[f'x{n}' for n in range(99)]}, degree: 5}}]}}",
            "makes 91962420 features, at most 10000",
        ),
        ("data: {dataset: d}\npreprocessing: {scale: robst}", "did you mean 'robust'?"),
        ("data: {dataset: d}\npreprocessing: {columns: {a: {scal: none}}}", "did you mean 'scale'?"),
    ],
)
def test_a_plan_that_says_it_wrongly(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "plan.yaml").write_text(f"{GOOD}{text}\n")
    with pytest.raises(TrainingError) as caught:
        Plan.load(tmp_path / "plan.yaml")
    assert words in caught.value.message
    assert caught.value.code == "plan.field"
