"""What all benchmarks of whole systems share.

``tree`` watches processes, ``apart`` gives a case a process of its own and ``network`` a network, ``ending`` lets it
clean up, ``results`` are its lines on disk, ``tables`` prints. Knows nothing of what is measured.
"""
