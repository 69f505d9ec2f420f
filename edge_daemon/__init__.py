"""The daemon beside the data: enrolment, lease, commands, worker supervision, outbox, metering.

It runs the vendor's code only in an isolated worker, trusts nothing that the worker wrote, and publishes
nothing but sealed weights, counts, metrics and the resources used. The one service that imports ``training``.
"""
