"""Decisions of pollers of sets: what to ask for, what has changed, what was deleted, and when to read next."""
