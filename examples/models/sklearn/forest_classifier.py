"""A random forest: columns of any scale, interactions without being asked for them."""

from sklearn.ensemble import RandomForestClassifier

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "ensemble"


def build():
    return RandomForestClassifier(n_estimators=60, min_samples_leaf=2)
