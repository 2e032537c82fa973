"""The events that the demo publishes, of several topics, in the sequence of their time."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.devkit.data.make_samples import ORDERS, REFUSED, STATUSES
from workers.devkit.demo.processes import DemoError, ProcessGroup

CREATED, STATUS = "order-created", "order-status"
__all__ = ["CREATED", "REFUSED", "STATUS", "Publishers", "Sample", "read_samples"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One event as it is published."""

    topic: str
    order_id: str
    status: str | None
    line: str
    order: Mapping[str, Any] = field(default_factory=dict)  # of a create

    @property
    def creates_order(self) -> bool:
        return self.topic.endswith(CREATED)


def read_samples(orders: Path | None = None, prefix: str = "") -> list[Sample]:
    """Read the samples kept here, or ``orders``: JSON lines of order-created events; raises `DemoError`.

    ``prefix``: of the topics.
    """
    files = [(CREATED, orders)] if orders else [(CREATED, ORDERS), (STATUS, STATUSES)]
    events = [(event.get("occurred_at", ""), topic, event) for topic, path in files for event in _events(path)]
    return [_sample(topic, event, prefix) for _, topic, event in sorted(events, key=lambda item: str(item[0]))]


def _events(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise DemoError(f"{path}:{number}: not JSON; one order-created event a line is wanted") from error
        if not isinstance(event, dict):
            raise DemoError(f"{path}:{number}: not an object; one order-created event a line is wanted")
        yield event


def _sample(topic: str, event: dict[str, Any], prefix: str) -> Sample:
    content = event.get("order", event)
    line = json.dumps(event, ensure_ascii=False)
    order = content if topic == CREATED else {}
    return Sample(prefix + topic, str(content.get("order_id", "")), content.get("status"), line, order)


@dataclass(frozen=True, slots=True)
class Publishers:
    """One ``relay publish TOPIC -`` per topic, fed line by line."""

    processes: Mapping[str, subprocess.Popen[bytes]]
    group: ProcessGroup
    sent: Counter[str] = field(default_factory=Counter)

    @classmethod
    def start(cls, group: ProcessGroup, samples: Sequence[Sample]) -> Publishers:
        topics = dict.fromkeys(sample.topic for sample in samples)
        return cls({topic: _start(group, topic) for topic in topics}, group)

    def send(self, sample: Sample) -> None:
        """Give one event to its publisher; raises `DemoError` when the publisher has ended."""
        process = self.processes[sample.topic]
        assert process.stdin is not None
        try:
            process.stdin.write(sample.line.encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._failure(sample.topic) from None
        self.sent[sample.topic] += 1

    def fail_if_ended(self) -> None:
        """Raise `DemoError` when a publisher has ended before its time."""
        for topic, process in self.processes.items():
            if process.poll() is not None:
                raise self._failure(topic)

    def close(self) -> None:
        """Wait until Kafka has acknowledged all events; raises `DemoError`."""
        for topic, process in self.processes.items():
            printed = process.communicate()[0]
            if process.returncode != 0 or json.loads(printed)["published"] != self.sent[topic]:
                raise self._failure(topic)

    def _failure(self, topic: str) -> DemoError:
        log = self.group.log(_name(topic))
        said = log.read_text(errors="replace").strip().splitlines() or ["no word"]
        return DemoError(f"relay publish {topic} failed: {said[-1].removeprefix('relay: ')[:300]}")


def _start(group: ProcessGroup, topic: str) -> subprocess.Popen[bytes]:
    process: subprocess.Popen[bytes] = group.start(
        _name(topic), "publish", topic, "-", "--json", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    return process


def _name(topic: str) -> str:
    return f"publish-{topic}"
