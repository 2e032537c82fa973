"""Counts in English sentences."""


def counted(count: int, noun: str) -> str:
    """``1 record``, ``2 records``, ``12,000 records``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
