"""Metrics of all edges' rows from the counts and sums that the edges send: pure, and the same in any order of edges.

Whole numbers are added as such, fractions exactly or rounded once. Nothing but the four operations and square roots is
used, which are the same on all machines: ``muster replay`` compares metrics bit for bit.
"""
