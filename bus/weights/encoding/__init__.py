"""Updates made smaller: a frame lies in the store in place of each chunk (``docs/decisions/0023``).

A frame is the difference to the same chunk of the global model. Pure: bytes and numbers in, bytes and numbers out, one
chunk at a time. Reading, writing, sealing and sending are not here. The edge encodes, the aggregator decodes, and who
proves a run does both again.
"""
