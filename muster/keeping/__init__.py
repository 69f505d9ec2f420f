"""What is kept of sealed weights, and for how long.

What could still be replayed (``retention``), rulings that let go (``purge``), and what was let go (``releases``).
"""
