"""Experiments, cycles, cohorts, quorums and deadlines: decides, never computes.

``domain`` holds the pure state machines; ``service`` folds the log into their states and appends what they
decide. The coordinator never opens an update and never touches a tensor.
"""
