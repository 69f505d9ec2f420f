"""Rules and decisions, pure: the same rules and the same question give the same answer with the same reasons."""
