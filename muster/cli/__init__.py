"""The command line. One file per group of commands, each thin: what they do is elsewhere in ``muster``.

Every command takes ``--json``: then standard output holds one JSON object and nothing else, prose goes to
standard error, and the exit status says which family of error ended it (``bus.errors.TREATMENT``).
"""
