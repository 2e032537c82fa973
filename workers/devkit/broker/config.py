"""How the development broker is set: one KRaft node, quick to start, strict where production is strict."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from workers.devkit.broker.errors import PortTakenError

NODE_ID: Final = 1
_FIXED: Final = {
    "process.roles": "broker,controller",
    "node.id": NODE_ID,
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    "controller.listener.names": "CONTROLLER",
    # A topic exists only when it was created on purpose, as in production.
    "auto.create.topics.enable": "false",
    # One node: every internal topic has one copy, and few partitions, which start fast.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # A group starts with its first member; tests may use sessions of a second.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # After a crash the controller gives up the former node after three seconds, not nine.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    # A transaction without a producer is aborted within a second of its time-out, not ten.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    # Compaction and retention can be seen at work.
    "log.cleaner.backoff.ms": 1000,
    "log.retention.check.interval.ms": 5000,
    # Small: this shares a laptop with the rest.
    "num.network.threads": 2,
    "num.io.threads": 4,
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    "log.index.size.max.bytes": 1024 * 1024,
}
# message.max.bytes stays Kafka's own: a record that is too large in production is too large here.


class Ports(NamedTuple):
    broker: int
    controller: int


def free_ports(broker: int = 0) -> Ports:
    """Return two free loopback ports, the first of them ``broker`` unless that is 0; raises `PortTakenError`.

    Another process may take one before Kafka does, so a start may be tried again.
    """
    with ExitStack() as held:
        try:
            sockets = [held.enter_context(socket.create_server(("127.0.0.1", port))) for port in (broker, 0)]
        except OSError as error:
            raise PortTakenError(f"port {broker} is taken: stop the process that listens there") from error
        return Ports(*(one.getsockname()[1] for one in sockets))


def properties(data: Path, ports: Ports, further: Mapping[str, object]) -> str:
    """Return ``server.properties`` for a node on these ports with its log in ``data``; ``further`` ones come on top."""
    own = {
        "listeners": f"BROKER://127.0.0.1:{ports.broker},CONTROLLER://127.0.0.1:{ports.controller}",
        "advertised.listeners": f"BROKER://127.0.0.1:{ports.broker}",
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{ports.controller}",
        "log.dirs": data,
    }
    return "".join(f"{key}={value}\n" for key, value in (_FIXED | own | dict(further)).items())
