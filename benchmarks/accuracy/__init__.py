"""What learning apart costs in accuracy: each model of ``examples/models``, federated and pooled, on real data.

What lives here: the models and their plans (``models``), the data and who holds what (``data``), both ways of learning
(``learning``), what came of them as pages (``page``). Training is what workers do and combining what the aggregator
does; processes, seals and streams, which change no bit of either, are left out, so that all of it takes minutes.

Usage: python -m benchmarks.accuracy [--write]
"""
