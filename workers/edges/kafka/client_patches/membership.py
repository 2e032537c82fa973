"""A membership that is not shown, and one that cannot be ended.

kafka-python keeps only the time of a heartbeat's answer, on a clock that stands still while a laptop is suspended, and
does not tell when the coordinator has another member in our place: at FENCED_INSTANCE_ID
`BaseCoordinator._do_heartbeat` only ends the heartbeats. No upstream issue is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kafka import KafkaConsumer
from kafka.errors import (
    FencedInstanceIdError,
    IllegalGenerationError,
    NoError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.protocol.consumer import HeartbeatRequest, SyncGroupRequest

T = TypeVar("T")

_CONFIRMS = frozenset((NoError.errno, RebalanceInProgressError.errno))
_REFUSES = frozenset((UnknownMemberIdError.errno, IllegalGenerationError.errno, FencedInstanceIdError.errno))


def watch_membership(consumer: KafkaConsumer, clock: Callable[[], T], answered: Callable[[T | None], None]) -> None:
    """Have ``answered`` called on the IO thread: with the time of asking when the coordinator confirms our membership,
    with None when it has ended it. Other errors say neither.
    """
    connections = consumer._coordinator._manager  # noqa: SLF001 - no public way
    send = connections.send

    def watched(request: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(request, HeartbeatRequest | SyncGroupRequest):
            return send(request, *args, **options)
        asked = clock()

        def tell(response: Any) -> None:
            if response.error_code in _CONFIRMS | _REFUSES:
                answered(asked if response.error_code in _CONFIRMS else None)

        return send(request, *args, **options).add_callback(tell)

    connections.send = watched


def watch_answers(consumer: KafkaConsumer, answered: Callable[[Any], None], failed: Callable[[], None]) -> None:
    """Have one of these called on the IO thread for each request of the consumer: with the request that a broker has
    answered, whatever it says; or because none has.
    """
    connections = consumer._coordinator._manager  # noqa: SLF001 - no public way
    send = connections.send

    def watched(request: Any, *args: Any, **options: Any) -> Any:
        future = send(request, *args, **options)
        return future.add_callback(lambda _: answered(request)).add_errback(lambda _: failed())

    connections.send = watched


def leave_at_close(consumer: KafkaConsumer) -> None:
    """Have the consumer's close take it out of its group, after the revocation.

    `BaseCoordinator.maybe_leave_group_async` sends no LeaveGroup request for a static member, whose partitions then
    wait for the whole session. The request names our member id: it cannot take out a process that has joined in our
    place. The broker takes such a request (KIP-345).
    """
    consumer._coordinator.is_dynamic_member = lambda: True  # noqa: SLF001 - no public way
