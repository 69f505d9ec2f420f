"""The worker: one short-lived process that runs the vendor's code, and those who start it and distrust it.

``python -m training.worker run TASK CONFIG OUTPUT_DIR`` is the contract; somebody else's container can fulfil it too.

* inside the worker: ``__main__``, ``config``, ``tasks``, ``candidate`` (the vendor's model), ``validating`` (its
  checks), ``output``, ``trace.taken``
* outside, in the daemon or on the vendor's machine: ``supervise`` starts it, ``sandbox`` walls it in, ``result`` checks
  what it wrote, ``trace.redacted`` what it says about where it failed
"""
