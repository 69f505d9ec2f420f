"""Weights on the wire: the layout of the body, the seal around it, the way in and out.

A body is a safetensors file, cut into chunks; each chunk is sealed by itself, so that everything here works
chunk by chunk and nothing ever holds a whole model.
"""
