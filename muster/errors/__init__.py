"""The numbered errors of Muster: what each means, why it comes, what to do. Words only; nothing is raised here.

One file for each area, ``entry`` for the form, ``catalogue`` to look something up. The pages below ``docs/errors`` and
``muster errors`` are made from it. A number is given once and stays: ``tests/architecture/numbers.txt``.
"""
