"""Extremely randomised trees: a forest whose cuts are drawn, which tells less about single rows."""

from sklearn.ensemble import ExtraTreesClassifier

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "ensemble"


def build():
    return ExtraTreesClassifier(n_estimators=60, min_samples_leaf=2)
