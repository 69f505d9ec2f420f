"""What an edge decides: which of its jobs still matter, and what it says about each. Pure."""
