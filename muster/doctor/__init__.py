"""What is wrong with a federation: facts gathered from disk and broker, and what they mean.

``facts`` says what is looked at, ``gather`` looks, and the pure ``machine`` and ``people`` judge. Nothing here changes
anything.
"""
