"""How the updates of a training cycle become the next global model.

What lives here: one module per family of strategies, each a small frozen object that follows ``protocol.Strategy``,
and the registry that makes one from a name and parameters. Names, parameters and papers stand in
``bus.events.strategies``, since vendor and policy engine have to know them too.

What does not: reading chunks, tensors that are not learnt (``sum``, ``keep``, integers), files, events. A strategy sees
one run of elements of one tensor at a time, and its result for an element must depend on nothing but that element of
the updates, the last global model and the state, so that bodies can be cut anywhere.

Results are the same bits everywhere: sums over updates are exact (``aggregator.domain.exact``), everything else is a
fixed order of elementwise float64 additions, multiplications, divisions and square roots, which IEEE 754 determines,
and one rounding to the tensor's type at the end.
"""
