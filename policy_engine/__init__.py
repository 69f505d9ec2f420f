"""Permits, budgets and pauses: pure decisions with reasons, each one an event.

``domain`` decides from a folded rule set; ``service`` folds the log and appends the decisions.
"""
