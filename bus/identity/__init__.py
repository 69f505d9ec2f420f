"""Who speaks: keys of principals, the directory of whom to believe, permissions at the broker.

A principal has three key pairs: an nkey for the broker's challenge, an Ed25519 key for its messages, and an
HPKE key for what is sealed for it. They are apart on purpose: a broker chooses the challenge that an nkey
signs, so a key that also signed messages could be tricked into signing one.
"""
