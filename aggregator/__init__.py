"""Strategies and the streaming accumulator: computes, never decides.

It opens the updates that a closed cycle names, combines them exactly and seals the resulting global model. It
does not choose who takes part and does not know any framework: a tensor is a name, a dtype and a reduction.
"""
