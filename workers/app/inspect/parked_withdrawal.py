"""Takes back what an operator has asked for and no worker has begun: the command's row is removed.

A worker that starts later, or has the row still to read, finds nothing to do. A worker that has begun goes on.
"""

from collections.abc import Iterable
from time import monotonic

from workers.app.inspect.parked_orders import row_name
from workers.app.inspect.parked_requests import Requester, RequestTracker
from workers.core.parked.rows import DiscardCommand, ReplayCommand, read_row
from workers.core.record import Partition, Record
from workers.edges.kafka.admin import open_admin
from workers.edges.kafka.publisher import open_publisher
from workers.edges.kafka.reader import FOLLOW_WAIT_MS, open_reader

GRACE_S = 2.0  # a running worker that had read the row has said by then that it has taken it


def withdraw(requester: Requester, tracker: RequestTracker) -> int:
    """Remove the rows of all commands that no worker has taken; returns for how many orders a worker goes on.

    Raises `KafkaFailed`: a worker may then still take the commands, until they expire.
    """
    untaken, topic = tracker.untaken, requester.sink.parked_state
    if not untaken:
        return tracker.orders_taken()
    numbers = {name: sent.orders[0].partition_number for name, sent in untaken.items()}
    with (
        open_admin(requester.connection) as admin,
        open_publisher(requester.connection) as publisher,
        open_reader(requester.connection, FOLLOW_WAIT_MS) as reader,
    ):
        for name, number in numbers.items():
            publisher.send(topic, name.encode(), None, (), partition=number)
        publisher.finish()
        until = monotonic() + (GRACE_S if admin.group(requester.sink.group).members else 0.0)
        unseen, partitions = set(untaken), {Partition(topic, number) for number in numbers.values()}
        for records in reader.follow({partition: requester.starts[partition] for partition in partitions}):
            _note(tracker, unseen, records)
            if not unseen and monotonic() >= until:
                break
    return tracker.orders_taken()


def _note(tracker: RequestTracker, unseen: set[str], records: Iterable[Record]) -> None:
    """Note which commands a worker has taken, and which rows are seen to be removed."""
    for record in records:
        name = row_name(record)
        if name not in tracker.commands:
            continue
        if record.value is None:
            unseen.discard(name)
            continue
        row = read_row(record.value)
        if isinstance(row, ReplayCommand | DiscardCommand) and row.taken:
            tracker.taken.add(name)
