"""What all benchmarks of whole systems share.

``tree`` watches processes, ``network`` gives a case a network of its own, ``results`` are its lines on disk, ``tables``
prints. Knows nothing of what is measured.
"""
