"""Brings an owner's data into the owner's store: readers, validators and the SQL store.

Runs at the owner's site. Rows never leave it: the event that it publishes carries schema, counts and
statistics only.
"""
