"""A sink's connections to Kafka."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workers.app.config.specs import SinkSpec
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.owner import Member, Owner
from workers.edges.kafka.parked_reader import ParkedReader
from workers.edges.kafka.source import KafkaSource
from workers.edges.kafka.table import KafkaTable
from workers.edges.kafka.transactions import Transactions


@dataclass(frozen=True, slots=True)
class SinkEdges:
    """None of them is open before the worker's start."""

    source: KafkaSource
    transactions: Transactions
    parked_state: KafkaTable
    tracked: KafkaTable | None  # None: the sink tracks no orders
    connection: KafkaConnection
    parked_reader: Callable[[], ParkedReader]  # makes one for each part that reads the parked topic


def open_edges(spec: SinkSpec, member: Member, owner: Owner) -> SinkEdges:
    """To be called in the running loop, in which the owner is called."""
    loop, connection, tracks = asyncio.get_running_loop(), member.connection, spec.tracks
    written = (spec.parks, spec.parked_state, *([tracks] if tracks else ()))
    return SinkEdges(
        source=KafkaSource(member, spec.consumes, owner, loop, written_topics=written),
        transactions=Transactions(connection, f"{spec.group}.{member.instance}"),
        parked_state=KafkaTable(connection, spec.parked_state, loop, owner.failed),
        tracked=None if tracks is None else KafkaTable(connection, tracks, loop, owner.failed),
        connection=connection,
        parked_reader=partial(ParkedReader, connection),
    )
