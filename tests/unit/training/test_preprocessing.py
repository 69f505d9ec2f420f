"""Fitted over three uneven edges, preprocessing is what scikit-learn fits to all rows together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from support.edges import Numbers, fitted, seen, summed, task_for, uneven
from training.categories import tabular
from training.categories.tabular import Table, Task
from training.errors import TrainingError
from training.preprocessing.asked import Kind, Known
from training.preprocessing.choices import ColumnChoice, Derived, Preprocessing
from training.preprocessing.sketch import RELATIVE

LOADERS = {"breast cancer": datasets.load_breast_cancer, "diabetes": datasets.load_diabetes}
NUMBER = Known(Kind.NUMBER)


def loaded(name: str, *, missing: bool = True) -> Numbers:
    """The features, a tenth of the cells missing."""
    features = np.array(LOADERS[name](return_X_y=True)[0], np.float64)
    if missing:
        features[np.random.default_rng(5).random(features.shape) < 0.1] = np.nan
    return features


def numbers(width: int) -> tuple[list[str], dict[str, Known]]:
    names = [f"x{place}" for place in range(width)]
    return names, dict.fromkeys(names, Known(Kind.NUMBER, missing=True))


def through(features: Numbers, preprocessing: Preprocessing, *derived: Derived) -> tuple[Numbers, Any]:
    names, known = numbers(features.shape[1])
    return seen(uneven(features), task_for(names, known, preprocessing, derived))


@pytest.mark.parametrize("name", LOADERS)
def test_said_or_not_the_default_is_the_same(name: str) -> None:
    features = loaded(name)
    names, known = numbers(features.shape[1])
    plain = Task(tuple(names), "target", ("no", "yes"))
    assert task_for(names, known, Preprocessing()).prepared.is_plain
    expected = np.nan_to_num(StandardScaler().fit_transform(features))
    np.testing.assert_allclose(seen(uneven(features), plain)[0], expected, atol=1e-9)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize(
    ("scale", "scaler"),
    [("minmax", MinMaxScaler()), ("robust", RobustScaler()), ("maxabs", MaxAbsScaler()), ("none", None)],
)
def test_scalers_are_those_of_scikit_learn(name: str, scale: Any, scaler: Any) -> None:
    features = loaded(name)
    found, _ = through(features, Preprocessing(scale=scale, impute="constant", value=0.5))
    filled = np.where(np.isnan(features), 0.5, features)
    expected = filled if scaler is None else scaler.fit(features).transform(filled)
    # What is subtracted and what is divided by are each known to within the sketch's share of the numbers themselves.
    widest = np.nanmax(np.abs(features), axis=0)
    width = np.ones(features.shape[1]) if scaler is None else scaler.scale_
    width = 1 / width if scale == "minmax" else width
    bound = 0.0 if scaler is None else 2 * RELATIVE * widest / width * (1 + np.abs(expected))
    assert np.all(np.abs(found - expected) <= bound + 1e-12)


@pytest.mark.parametrize("name", LOADERS)
def test_ranks_are_those_of_scikit_learn(name: str) -> None:
    features = loaded(name, missing=False)
    found, _ = through(features, Preprocessing(scale="quantile"))
    expected = QuantileTransformer(n_quantiles=101, subsample=None).fit_transform(features)
    assert found.min() >= 0
    assert found.max() <= 1
    # A value may move by its share of itself, past the values that are as near to it.
    assert np.mean(np.abs(found - expected)) < 0.003
    assert np.max(np.abs(found - expected)) < 0.05


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("impute", ["mean", "median"])
def test_missing_cells_are_filled_in_as_scikit_learn_does(name: str, impute: Any) -> None:
    features = loaded(name)
    found, prepared = through(features, Preprocessing(impute=impute, scale="none", missing_indicators=True))
    expected = SimpleImputer(strategy=impute).fit_transform(features)
    width = features.shape[1]
    share = 1e-12 if impute == "mean" else RELATIVE
    # A median between two numbers is known as well as these are.
    assert np.all(np.abs(found[:, :width] - expected) <= share * (np.abs(expected) + np.nanstd(features, axis=0)))
    np.testing.assert_array_equal(found[:, width:], MissingIndicator(features="all").fit_transform(features))
    assert prepared.names[width] == "missing(x0)"


def test_missing_cells_may_stay_missing() -> None:
    features = loaded("diabetes")
    found, _ = through(features, Preprocessing(impute="none"))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(features))


def made_up(rows: int = 400) -> tuple[Numbers, NDArray[np.object_]]:
    """Ages, a constant, huge numbers, offset ones and a column that is all missing at the first edge; and words."""
    random = np.random.default_rng(11)
    age = random.integers(18, 90, rows).astype(np.float64)
    huge = random.normal(0, 1, rows) * 10.0 ** random.integers(-30, 30, rows)
    late = np.where(np.arange(rows) < rows // 20 + 1, np.nan, random.normal(5, 2, rows))
    features = np.column_stack([age, np.full(rows, 7.25), huge, 2000.0 + random.integers(0, 30, rows), late])
    features[random.random(rows) < 0.1, 0] = np.nan
    words = random.choice(np.array(["north", "south", "west"], object), rows)
    words[-3:] = "island"  # at the last edge alone
    words[random.random(rows) < 0.1] = None
    return features, words


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust", "maxabs", "quantile"])
def test_odd_columns_come_out_finite_and_within_bounds(scale: Any) -> None:
    features, _ = made_up()
    found, _ = through(features, Preprocessing(scale=scale, impute="median"))
    assert np.isfinite(found).all()
    if scale in {"minmax", "quantile"}:
        assert found.min() >= 0
        assert found.max() <= 1
    if scale == "maxabs":
        assert np.abs(found).max() <= 1
    assert np.ptp(found[:, 1]) == 0, "a constant stays a constant"
    assert scale == "maxabs" or np.ptp(found[:, 3]) > 0.5, "an offset hides nothing"


def test_a_median_of_ages_is_exact() -> None:
    features, _ = made_up()
    found, _ = through(features, Preprocessing(scale="none", impute="median"))
    np.testing.assert_array_equal(found[:, 0], SimpleImputer(strategy="median").fit_transform(features)[:, 0])


def test_one_edge_alone_is_as_all_together() -> None:
    features, _ = made_up()
    names, known = numbers(features.shape[1])
    task = task_for(names, known, Preprocessing(scale="robust", impute="median"))
    alone = Table(features, np.zeros(len(features), np.int64))
    together = fitted(uneven(features), task)
    for name, values in fitted([alone], task).tensors.items():
        np.testing.assert_allclose(values, together.tensors[name], rtol=1e-12)


@pytest.mark.parametrize(("encode", "encoder"), [("onehot", OneHotEncoder()), ("ordinal", OrdinalEncoder())])
def test_words_are_those_of_all_edges(encode: Any, encoder: Any) -> None:
    _, words = made_up()
    counts = {str(word): int(np.sum(words == word)) for word in ("north", "south", "west", "island")}
    known = {"where": Known(Kind.TEXT, missing=True, words=counts)}
    task = task_for(["where"], known, Preprocessing(encode=encode, impute="most_frequent", missing_indicators=True))
    vocabulary = task.prepared.words["where"]
    assert vocabulary == ("island", "north", "south", "west")
    codes = np.array([[np.nan if word is None else vocabulary.index(str(word))] for word in words], np.float64)
    found, prepared = seen(uneven(codes), task)
    most = max(counts, key=lambda word: counts[word])
    filled = np.array([[most if word is None else word] for word in words], object)
    expected = encoder.fit_transform(filled)
    np.testing.assert_array_equal(found[:, :-1], expected.toarray() if encode == "onehot" else expected)
    np.testing.assert_array_equal(found[:, -1], [word is None for word in words])
    assert prepared.names[0] == ("where=island" if encode == "onehot" else "where")


@pytest.mark.parametrize(("encode", "nothing"), [("onehot", [0.0, 0.0]), ("ordinal", [-1.0])])
def test_a_word_that_nobody_knows_is_none_of_them(encode: Any, nothing: list[float]) -> None:
    known = {"sex": Known(Kind.TEXT, words={"f": 9, "m": 8, "x": 1})}
    task = task_for(["sex"], known, Preprocessing(encode=encode, min_count=2))
    assert task.prepared.words == {"sex": ("f", "m")}
    found, _ = seen([Table(np.array([[-1.0], [np.nan], [1.0]]), np.zeros(3, np.int64))], task)
    assert found[:2].tolist() == [nothing, nothing]
    assert found[2].tolist() == ([0.0, 1.0] if encode == "onehot" else [1.0])


@pytest.mark.parametrize("degree", [2, 3])
def test_polynomials_are_those_of_scikit_learn(degree: int) -> None:
    features = loaded("breast cancer", missing=False)[:, :3]
    derive = Derived(make="polynomial", of=("x0", "x1", "x2"), degree=degree)
    found, prepared = through(features, Preprocessing(scale="none"), derive)
    expected = PolynomialFeatures(degree, include_bias=False).fit_transform(features)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert prepared.names[3:6] == ("x0^2", "x0*x1", "x0*x2")


def test_what_is_made_from_columns() -> None:
    features = np.array([[6.0, 3.0], [1.0, 0.0], [np.nan, 2.0], [0.0, 0.0], [1e140, 1e-308]])
    makes = ("product", "ratio", "sum", "difference")
    derived = tuple(Derived(make=make, of=("x0", "x1")) for make in makes)  # type: ignore[arg-type]
    found, prepared = through(features, Preprocessing(scale="none", impute="none"), *derived)
    assert prepared.names == ("x0", "x1", "x0*x1", "x0/x1", "x0+x1", "x0-x1")
    assert found[0, 2:].tolist() == [18.0, 2.0, 9.0, 3.0]
    assert np.isnan(found[1:, 3]).tolist() == [True, True, True, True], "by zero, missing, zero by zero, too large"
    assert np.isnan(found[2]).tolist() == [True, False, True, True, True, True]


@pytest.mark.parametrize("keep", [False, True])
def test_principal_components_are_those_of_scikit_learn(keep: bool) -> None:
    features = loaded("breast cancer")
    names = [f"x{place}" for place in range(5)]
    derived = (
        Derived(make="product", of=("x0", "x1")),
        Derived(make="pca", of=(*names, "x0*x1"), components=3, keep=keep),
    )
    found, prepared = through(features, Preprocessing(), *derived)
    made = np.column_stack([features, features[:, 0] * features[:, 1]])
    scaled = np.nan_to_num(StandardScaler().fit_transform(made))
    into = scaled[:, [0, 1, 2, 3, 4, features.shape[1]]]
    expected = PCA(3).fit_transform(into)
    components = found[:, -3:]
    signs = np.sign(np.sum(components * expected, axis=0))
    np.testing.assert_allclose(components * signs, expected, atol=1e-7)
    assert prepared.names[-3:] == ("pca_1", "pca_2", "pca_3")
    assert len(prepared.names) == 3 + (scaled.shape[1] if keep else scaled.shape[1] - 6)
    assert prepared.passes == 2


def test_all_three_passes_and_components_of_robust_columns() -> None:
    features = loaded("diabetes")
    names = tuple(f"x{place}" for place in range(4))
    derive = Derived(make="pca", of=names, components=2)
    found, prepared = through(features, Preprocessing(scale="robust", impute="median"), derive)
    assert prepared.passes == 3
    assert found.shape[1] == features.shape[1] - 4 + 2
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, -2:].mean(axis=0), 0.0, atol=1e-9)


def test_only_the_first_pass_goes_out_without_an_input_and_later_ones_hand_on() -> None:
    features = loaded("diabetes")
    names, known = numbers(features.shape[1])
    task = task_for(names, known, Preprocessing(scale="minmax"))
    sums = summed(uneven(features), task)
    assert set(sums.tensors) == {
        *(f"statistics.{name}" for name in ("count", "sum", "sum_squares", "octaves", "refined"))
    }
    assert sums.reductions["statistics.octaves"] == "keep"
    assert sums.reductions["statistics.refined"] == "sum"


def test_numbers_that_cannot_be_summed_up_are_told() -> None:
    table = Table(np.array([[1e200], [1.0]]), np.zeros(2, np.int64))
    with pytest.raises(TrainingError, match="'a' holds numbers beyond") as caught:
        tabular.statistics(table, Task(("a",), "y", ("n", "y")))
    assert caught.value.code == "data.range"


def test_a_column_that_only_goes_into_others_is_not_seen() -> None:
    names, known = ["a"], {"a": NUMBER, "b": NUMBER}
    task = task_for(names, known, Preprocessing(), (Derived(make="ratio", of=("a", "b")),))
    assert task.features == ("a", "b")
    assert task.prepared.names == ("a", "a/b")
    choice = Preprocessing(columns={"a/b": ColumnChoice(scale="none")})
    table = Table(np.array([[4.0, 2.0], [9.0, 3.0]]), np.zeros(2, np.int64))
    found, _ = seen([table], task_for(names, known, choice, (Derived(make="ratio", of=("a", "b")),)))
    assert found.tolist() == [[-1.0, 2.0], [1.0, 3.0]]
