"""Opens clients: says what a command waits for, and why no broker could be reached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from workers.edges.kafka.client import Waits
from workers.edges.kafka.client_patches.connections import construct, end_timer
from workers.edges.kafka.client_patches.install import patch_client
from workers.edges.kafka.reach.causes import CLOSED, Unreachable, cause_of

T = TypeVar("T")

SAY_AFTER_S = 1.0


class _Attempt:
    """The last error that says why a connection was not opened; written by the client's IO thread."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        if self.error is None or cause_of(error) is not CLOSED:
            self.error = error


def open_patched(make: Callable[..., T], options: Mapping[str, Any], waiting: Waits | None) -> T:
    """Make a patched client; raises `Unreachable`, and what else its constructor raises."""
    patch_client()
    attempt, servers = _Attempt(), ",".join(options["bootstrap_servers"])

    def say() -> None:
        if waiting is not None:
            waiting.waits(servers, cause_of(attempt.error))

    line = threading.Timer(SAY_AFTER_S, say)
    line.daemon = True
    line.start()
    try:
        return construct(make, options, attempt.failed)
    except (KafkaConnectionError, KafkaTimeoutError) as error:
        raise Unreachable(servers, cause_of(attempt.error)) from error
    except KafkaError as error:
        if attempt.error is not error:  # a refused login, which the client raises as it is
            raise
        raise Unreachable(servers, cause_of(error)) from error
    finally:
        end_timer(line)
