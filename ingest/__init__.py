"""Brings an owner's data into the owner's store, and registers it: readers, validators, the SQL store.

Runs at the owner's site, as ``python -m ingest``. Rows never leave it: the event that it publishes carries columns,
types, counts and class labels only. Who reads the store needs ``ingest.store``'s docstring, not its code. ``muster``
may import ``ingest.domain``; nobody else imports this package.
"""
