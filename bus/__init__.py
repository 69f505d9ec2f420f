"""The language and the wire: everything that two parts of Muster must agree on.

Here live the events and commands, their envelope, the subjects, streams and consumers (as data), the ports to
a message broker with a memory and a JetStream adapter, identities, sealing, weights on the wire, and the
runtime of a service. Here do not live decisions: which cycle opens, how updates become a model, who may train.

``bus`` imports nothing of ours. Every service and every face may import it.
"""
