"""The model contract: what a vendor's file must be, read without running it, and the eight checks that run it.

* ``variables``: which names a header may have, of which kind, needed for what: data, and nothing else
* ``header``: reads them with ``ast``, from a ``source``; ``entry`` is what makes the model; ``fits`` compares them with
  the data
* ``archive``: a model of several files, as a flat zip; hostile ones are refused while they are read
* ``model``: one or several files as one ``ModelFile``; ``loading`` runs it, which only a worker may do
* ``loss_file``: a loss of the vendor's own, which travels among the model's files
* ``pretrained``: weights that a model begins with
* ``report``: what comes of the eight checks, which are in ``training.worker.validating``; ``averaging`` is the mean of
  two updates, for one of them

Imports no framework, and knows nothing of edges and experiments.
"""
