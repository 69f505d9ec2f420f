"""Proving what happened, from the log and what is stored; changes nothing.

The audit log (``verify``), models computed again (``replay``), edges' work done again beside their rows (``retrain``),
and decisions made again (``decisions``).
"""
