"""What Kafka's errors say to people: one line each, with what to do. Every such line is made here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from kafka import TopicPartition
from kafka.errors import (
    FencedInstanceIdError,
    GroupAuthorizationFailedError,
    InvalidCommitOffsetSizeError,
    InvalidSessionTimeoutError,
    KafkaError,
    KafkaTimeoutError,
    LogTruncationError,
    MessageSizeTooLargeError,
    OffsetMetadataTooLargeError,
    OffsetOutOfRangeError,
    ProducerFencedError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from workers.edges.kafka.client import Fenced, KafkaConnection, KafkaFailed, MetadataTooLarge
from workers.edges.kafka.owner import Member
from workers.edges.kafka.reach.causes import SILENT, Unreachable, cause_of, unreachable

FATAL = (
    FencedInstanceIdError,
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    TopicAuthorizationFailedError,
)
"""After these a member cannot go on, and no later try succeeds."""

RECORDS_GONE = (OffsetOutOfRangeError, LogTruncationError)
"""The next record of some partitions no longer exists: it expired, an unclean leader election cut it off (KIP-320), or
the topic was recreated. Until a new position is set, each poll raises the error again."""

METADATA_TOO_LARGE = (OffsetMetadataTooLargeError, InvalidCommitOffsetSizeError)
"""One commit's metadata is longer than the brokers keep, or those of all partitions together are."""

_LONGEST = 300  # characters of an error's own text


class NotAcknowledgedError(TimeoutError):
    """A record was sent again and again without an acknowledgement: kafka-python does not give the broker's reason."""

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"not acknowledged by all in-sync replicas within {waited_s:g} s")


def describe(error: Exception) -> str:
    """The error's kind and text in one line."""
    if isinstance(error, Unreachable):
        return str(error)
    name, text = type(error).__name__, " ".join(str(error).split())
    text = re.sub(r"^\[Error \d+\] ", "", text).removesuffix(": None")
    if not text or text.startswith(name):  # kafka-python's errors begin with their numbers and names
        return text[:_LONGEST] or name
    return f"{name}: {text}"[:_LONGEST]


def partitions_of(gone: Exception) -> list[TopicPartition]:
    """The partitions of a `RECORDS_GONE` error."""
    return list(gone.divergent_offsets if isinstance(gone, LogTruncationError) else gone.args[0])


@contextmanager
def kafka_errors(connection: KafkaConnection) -> Iterator[None]:
    """Turn what kafka-python raises into `KafkaFailed`."""
    try:
        yield
    except KafkaError as error:
        raise KafkaFailed(_refusal(error, connection)) from error
    except BrokenPipeError:
        raise  # the reader of our output, such as `head`, has left; kafka-python raises none for its own sockets
    except TimeoutError as error:  # an OSError too
        raise KafkaFailed(f"Kafka at {','.join(connection.bootstrap)} answers too slowly, or not at all") from error
    except OSError as error:  # a certificate file that TLS cannot use, a socket that cannot be opened
        reason = error.strerror or type(error).__name__
        raise KafkaFailed(
            f"cannot open a connection to Kafka: {reason}; check KAFKA_SSL_CAFILE, _CERTFILE and _KEYFILE"
        ) from error


def no_topic(topic: str) -> str:
    """Why nothing can be read of it."""
    return f"no topic '{topic}' on the cluster; `relay topics apply` creates those of topics.yaml"


def _refusal(error: Exception, connection: KafkaConnection) -> str:
    if isinstance(error, Unreachable):
        return str(error)
    name = type(error).__name__
    servers = ",".join(connection.bootstrap)
    if "Authorization" in name:
        return f"Kafka refuses it: {name}; the user {connection.username or '(none)'} lacks this right: ask for an ACL"
    if "Authentication" in name or "Sasl" in name:
        return f"Kafka at {servers} refuses our user ({name}); check KAFKA_SASL_USERNAME, _PASSWORD and _MECHANISM"
    if name in SILENT:
        return unreachable(servers, cause_of(error))
    return f"Kafka at {servers} refuses it: {_brokers_sentence(error)}"


def _brokers_sentence(error: Exception) -> str:
    """The broker's own sentence, without the request and response that kafka-python wraps around it."""
    found = re.search(r"""error_message=(["'])(?P<sentence>.+?)\1[,)]""", str(error))
    text = found["sentence"] if found else str(error).partition("Request '")[0]
    return " ".join(text.split())[:_LONGEST] or type(error).__name__


def membership_error(error: Exception, member: Member) -> Exception:
    """What ended a member of a group, as one line that says what to do; an error that is not Kafka's as it is."""
    match error:
        case FencedInstanceIdError():
            return KafkaFailed(
                f"another process has joined {member.group} as '{member.instance}'; give each its own RELAY_INSTANCE_ID"
            )
        case InvalidSessionTimeoutError():
            return KafkaFailed(
                f"Kafka takes no session of {member.session_timeout_s:g} s for {member.group}; set the worker's "
                "'session' between the brokers' group.min.session.timeout.ms (6 s) and group.max.session.timeout.ms "
                "(30 m)"
            )
        case KafkaError():
            return KafkaFailed(_refusal(error, member.connection))
        case _:
            return error


def commit_error(error: Exception) -> KafkaFailed:
    """Why the group's offsets were not committed."""
    text = f"commit: {describe(error)}"
    return MetadataTooLarge(text) if isinstance(error, METADATA_TOO_LARGE) else KafkaFailed(text)


def write_error(error: Exception) -> KafkaFailed:
    """Why a transaction failed, and what to do where that is known."""
    if any(kind.__name__ in str(error) for kind in METADATA_TOO_LARGE):  # kafka-python keeps the name, not the kind
        return MetadataTooLarge(describe(error))
    if isinstance(error, Unreachable):
        return KafkaFailed(str(error))
    if isinstance(error, ProducerFencedError):
        return Fenced(f"{describe(error)}: another process has taken over, or a command has written in its place")
    for kinds, text, advice in _AFTER_FAILED_WRITE:
        if isinstance(error, kinds) and text in str(error):
            return KafkaFailed(f"{describe(error)}: {advice}")
    return KafkaFailed(describe(error))


_AFTER_FAILED_WRITE: Final[Sequence[tuple[type[Exception] | tuple[type[Exception], ...], str, str]]] = (
    (TransactionalIdAuthorizationFailedError, "", "ask for an ACL: Write and Describe on this TransactionalId"),
    (TopicAuthorizationFailedError, "", "ask for an ACL: Write on this topic"),
    (GroupAuthorizationFailedError, "", "ask for an ACL: Read on this group"),
    (UnknownTopicOrPartitionError, "", "a topic is missing; run 'relay topics apply'"),
    (KafkaTimeoutError, "metadata", "Kafka is out of reach, or a topic is missing; run 'relay topics apply'"),
    (ValueError, "partition", "give it as many partitions as the sink's topics have, see 'relay topics plan'"),
    (
        (MessageSizeTooLargeError, RecordListTooLargeError),
        "",
        "a record is too large for its topic: raise that topic's max.message.bytes, then 'relay topics apply'",
    ),
    (NotAcknowledgedError, "", "is the topic there, and are as many replicas alive as its min.insync.replicas wants?"),
    (TimeoutError, "", "Kafka answers too slowly, or not at all"),
)
"""(kinds of error, a part of its text, what to do); the first that fits."""
