"""Exact arithmetic of the aggregator: weights in, one result out, the same bits whatever the order.

What lives here: the number formats of tensors (``formats``), exact accumulators (``lanes`` for floats,
``integers``), the one rounding at the end (``rounding``), the canonical bytes of an accumulator (``canonical``)
and the reductions that a manifest may name (``exact``, ``reductions``). ``reductions.accumulator`` is the way in.

What does not: reading, opening or sealing updates, strategies, events, files. Everything is synchronous and pure:
no clock, network, randomness or environment. The faces may import it, to recompute a global model offline.

The guarantee: every result is the *correctly rounded* (to nearest, ties to even) exact rational value. It is a
function of the inputs alone, so that neither order, grouping, process count nor a later change of this code can
move a bit of it; anybody can recompute one element with ``fractions.Fraction``.
"""
