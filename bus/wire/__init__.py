"""How bodies travel: messages, envelope, subjects, streams and consumers, all as data. No I/O.

The envelope is CloudEvents 1.0 in NATS headers (binary mode of its NATS protocol binding) around a msgpack
body. Subjects say whose business a message is and who said it, so that a broker can enforce both.
"""
