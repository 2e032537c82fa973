"""A member of a worker's group that is no worker: it has its partitions, and takes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.waiting import wait_for


@contextmanager
def group_member(bootstrap: str, group: str, *topics: str, instance: str | None = None) -> Iterator[None]:
    from kafka import KafkaConsumer  # noqa: PLC0415 - after pytest_configure

    consumer = KafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id=instance,
        enable_auto_commit=False,
        metadata_max_age_ms=500,  # one that saw a new topic without its partitions would wait for them for 5 minutes
    )
    try:
        wait_for(lambda: consumer.poll(timeout_ms=100) or consumer.assignment(), "the consumer got no partition")
        yield
    finally:
        consumer.close()
