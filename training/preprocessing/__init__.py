"""From the columns that owners hold to the numbers that a model sees: the same at every edge, frozen before training.

* ``choices``: what a plan can ask for
* ``preparation``: what was settled for each column when the experiment was submitted
* ``asked``, ``settling``, ``refusals``: from the one to the other, with what the owners registered
* ``derive``: features that are made from columns
* ``sketch``: quantiles from counts that add up
* ``passes``: what edges sum up, cycle by cycle
* ``fit``: what follows from the sums
* ``apply``: what becomes of rows

Pure numpy: no framework, no dataset, no model. docs/decisions/0031 says why it is as it is.
"""
