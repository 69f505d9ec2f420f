"""What happened and how things stand, for people.

Events as sentences (``story``), experiments in a few lines (``summary``), why, and what to do (``explain``,
``failures``), as it happens (``follow``), and on a terminal (``display``).
"""
