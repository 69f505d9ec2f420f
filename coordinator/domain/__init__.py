"""The coordinator's decisions as pure functions.

::

    submitted --> refused
        |
        v                 (all answered, or deadline with quorum)
     queued --> running ------------------> averaging --> completed
                   ^                            |
                   +----------------------------+        next cycle

    queued, running, averaging --> paused <--> (resume)      at the end of a cycle
                               --> stopped <--> (resume)     at the end of a cycle, result kept
                               --> aborted                   at once
                               --> failed                    with a reason

``evolve`` folds one record into a state; ``decide`` looks at a state and the time and says what must be said
next, at most one event. It looks at states, not at what just happened, so deciding again after a crash, or
twice, or in another process, comes to the same words, and the log takes them once.
"""
