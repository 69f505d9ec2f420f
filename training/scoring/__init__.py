"""Metrics of predictions: values by scikit-learn, and tallies from which those of all edges' rows follow.

What a score is stands in ``training.scores``, how tallies become metrics of the cohort in
``aggregator.domain.scoring``.
"""
