"""What ends a member of a group, and what is said of it."""

from __future__ import annotations

from kafka.errors import (
    FencedInstanceIdError,
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    TopicAuthorizationFailedError,
)

from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.owner import Member

FATAL = (
    FencedInstanceIdError,
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    TopicAuthorizationFailedError,
)
"""A member cannot go on after these, nor would a later try succeed."""


def in_words(error: Exception, member: Member) -> Exception:
    """The error as one line that says what to do, where we know it."""
    match error:
        case FencedInstanceIdError():
            return KafkaFailed(
                f"another process has joined {member.group} as '{member.instance}'; give each its own RELAY_INSTANCE_ID"
            )
        case InvalidSessionTimeoutError():
            return KafkaFailed(
                f"Kafka takes no session of {member.session:g} s for {member.group}; set the worker's 'session' "
                "between the brokers' group.min.session.timeout.ms (6 s) and group.max.session.timeout.ms (30 m)"
            )
        case _:
            return error
