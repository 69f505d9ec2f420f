"""From a plan and a model file to a submitted experiment: what can be found wrong is found before anything is said.

What lives here: checking the model in a worker (``vetting``), holding it to the data (``linking``, by
``requirements``), what the plan means at every edge (``columns``, ``classes``, ``rows``, ``callbacks``), saying it
(``submit``, ``fork``). What does not: what a plan or a model file is (``training``), and who decides.
"""
