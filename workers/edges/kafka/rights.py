"""Which rights (ACLs) a worker lacks, asked by requests that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import GroupAuthorizationFailedError, TransactionalIdAuthorizationFailedError, for_code
from kafka.protocol.consumer import HeartbeatRequest
from kafka.protocol.metadata import CoordinatorType
from kafka.protocol.producer import EndTxnRequest

from workers.edges.kafka.admin import when_ready
from workers.edges.kafka.client import KafkaConnection, admin_options, open_client
from workers.edges.kafka.errors import kafka_errors

TOPIC_AUTHORIZATION_FAILED = 29  # Kafka's error code
_REFUSALS = (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a worker does in Kafka."""

    group: str
    reads: tuple[str, ...]  # topics
    writes: tuple[str, ...]  # topics
    transactional_id: str


def missing_rights(connection: KafkaConnection, wanted: Rights) -> list[str]:
    """The rights that our user lacks, as ``Read on Group relay.ecdp-sink``; blocking, and raises `KafkaFailed`."""
    with kafka_errors(connection):
        client: Any = open_client(KafkaAdminClient, admin_options(connection), connection.waiting)
        try:
            return [*_on_topics(client, wanted), *_on_group_and_transactions(client, wanted)]
        finally:
            client.close()


def _on_topics(client: Any, wanted: Rights) -> Iterator[str]:
    for topic in client.describe_topics([*{*wanted.reads, *wanted.writes}]):
        allowed = topic.get("authorized_operations")
        if topic["error_code"] == TOPIC_AUTHORIZATION_FAILED:
            allowed = []
        elif allowed is None or topic["error_code"]:
            continue  # a broker without ACLs, or a topic that is missing: the comparison with topics.yaml says that
        for right, topics in (("Read", wanted.reads), ("Write", wanted.writes)):
            if topic["name"] in topics and right.upper() not in allowed:
                yield f"{right} on Topic {topic['name']}"


def _on_group_and_transactions(client: Any, wanted: Rights) -> Iterator[str]:
    """A heartbeat of no member, and the end of no transaction: a broker looks at the rights first, and refuses both."""
    heartbeat = HeartbeatRequest(group_id=wanted.group, generation_id=-1, member_id="", max_version=0)
    if _is_refused(client, wanted.group, CoordinatorType.GROUP, heartbeat):
        yield f"Read on Group {wanted.group}"
    name = wanted.transactional_id
    end = EndTxnRequest(transactional_id=name, producer_id=-1, producer_epoch=-1, committed=False, max_version=3)
    if _is_refused(client, name, CoordinatorType.TRANSACTION, end):
        yield f"Write and Describe on TransactionalId {name}"


def _is_refused(client: Any, key: str, kind: Any, request: Any) -> bool:
    async def ask() -> None:
        node = await client._find_coordinator_id(key, kind)  # noqa: SLF001 - no public way
        answer = await client._manager.send(request, node_id=node)  # noqa: SLF001 - no public way
        error: Any = for_code(answer.error_code)
        if error in _REFUSALS or error.retriable:
            raise error

    try:
        when_ready(lambda: client._manager.run(ask))  # noqa: SLF001 - no public way
    except _REFUSALS:
        return True
    return False
