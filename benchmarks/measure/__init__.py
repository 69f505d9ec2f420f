"""What all benchmarks of whole systems share.

``tree`` watches processes, ``network`` gives a case a network of its own, ``ending`` lets it clean up, ``results`` are
its lines on disk, ``tables`` prints. Knows nothing of what is measured.
"""
