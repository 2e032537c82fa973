"""The error for a field that breaks a limit which the vendor documents."""

from __future__ import annotations


class LimitError(ValueError):
    """A field breaks a documented limit: its path in the event, and the limit; never the value."""

    def __init__(self, field: str, limit: str) -> None:
        super().__init__(f"{field}: {limit}")
        self.field = field
        self.limit = limit
