"""The workload of the comparisons, "echo training", which learns nothing: so only the platform is left to measure.

``workload`` says what is trained and needs nothing but numpy: it is copied beside the programs of other systems.
``exact`` says what must come of it. Knows no system.
"""
