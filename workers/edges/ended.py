"""What ended something of ours in the loop that should have gone on."""

from __future__ import annotations

import asyncio


def task_error(task: asyncio.Task[None]) -> Exception | None:
    """The error that it ended with; None: it came to its end, or was cancelled."""
    error = None if task.cancelled() else task.exception()
    return error if error is None or isinstance(error, Exception) else RuntimeError(type(error).__name__)
