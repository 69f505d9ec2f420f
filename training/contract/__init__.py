"""The model contract: what a vendor's file must be, read without running it, and the eight checks that run it.

* ``variables``: which names a header may have, of which kind, needed for what: data, and nothing else
* ``header``: reads them with ``ast``; ``fits`` compares them with the data
* ``archive``: a model of several files, as a flat zip; hostile ones are refused while they are read
* ``model``: one or several files as one ``ModelFile``; ``loading`` runs it, which only a worker may do
* ``pretrained``: weights that a model begins with
* ``steps``: the eight checks, in a worker; ``report`` is what comes of them; ``averaging`` is the mean of two updates

Imports no framework, and knows nothing of edges and experiments.
"""
