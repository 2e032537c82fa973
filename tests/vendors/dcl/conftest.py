"""`pytest --hypothesis-profile=thousands` runs each property thousands of times."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("thousands", max_examples=3_000, deadline=None)
