"""``relay publish TOPIC [FILE|-]``: JSON to Kafka."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from workers.cli.configured import read_configuration
from workers.cli.names import EVENT_TOPIC
from workers.cli.output import clear_progress, print_err, show_json, show_line, show_progress
from workers.core.counted import counted

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.events.json_lines import Bad, Ready
    from workers.edges.kafka.publisher import Publisher
    from workers.edges.telemetry.tracing import SendSpan, Tracing

MAX_NAMED = 20  # bad events that are named; further ones are counted
SHOWN_EVERY = 500  # events
SETTLE_WITHIN_S = 1.0  # after Ctrl-C
TRACES_WITHIN_S = 5.0

ReadEvents: TypeAlias = "Callable[[Iterable[bytes]], Iterator[Ready | Bad]]"


@click.command(epilog="Example: relay sample order-created | relay publish order-created -")
@click.argument("topic", type=EVENT_TOPIC)
@click.argument("file", default="-", type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True))
@click.option("--check", is_flag=True, help="Send nothing; say what each sink would make of each event.")
@click.option("--skip-bad", is_flag=True, help="Name the bad events and send the rest.")
@click.option("--json", "as_json", is_flag=True, help="Print counts and places for a machine.")
def publish(topic: str, file: str, check: bool, skip_bad: bool, as_json: bool) -> int:
    """Validate, encode and send events, wait for the acknowledgements, and print each one's place.

    Events are JSON objects in any layout: one a line, indented, or in an array. A FILE is validated whole
    before anything is sent. Events on standard input (-) are sent as they come, up to the first bad one.
    Exit status 1: an event is bad; with --check also: a sink would park it.
    """
    from workers.app.events.command_codec import assert_publishable
    from workers.edges.telemetry.setup import close_within, open_tracing

    configuration = read_configuration()
    assert_publishable(configuration, topic)
    if file == "-" and sys.stdin.isatty():
        print_err(f"reading events of {topic} from the terminal; `relay sample {topic}` prints one; Ctrl-D ends")
    tracing = open_tracing(os.environ, version("order-relay"), configuration.settings.instance_id)
    done = Done(topic, tracing, as_json=as_json)
    try:
        good = _publish(configuration, done, file, check=check, skip_bad=skip_bad)
    finally:
        _close(done, check=check)
        if not close_within(tracing, TRACES_WITHIN_S):
            print_err("the collector does not take the spans; is OTEL_EXPORTER_OTLP_ENDPOINT right?")
    return 0 if good else 1


@dataclass
class Done:
    """What has been published, and what was bad."""

    topic: str
    tracing: Tracing
    as_json: bool
    published: int = 0
    places: list[dict[str, Any]] = field(default_factory=list)  # for --json only
    bad: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)  # of --check, for --json only
    unacknowledged: int = 0  # sent, and perhaps in the topic
    parked: int = 0  # events that a sink would park
    checked: int = 0
    _sent: deque[tuple[str, SendSpan]] = field(default_factory=deque)  # key and span of what is not acknowledged yet

    def refuse(self, bad: Bad) -> None:
        self.bad.append({"line": bad.line, "fault": bad.fault})
        if len(self.bad) <= MAX_NAMED:
            print_err(f"relay: line {bad.line}: {bad.fault}")

    def send(self, publisher: Publisher, event: Ready) -> None:
        key = event.key.decode()
        span = self.tracing.publish(self.topic, key)
        self._sent.append((key, span))
        publisher.send(self.topic, event.key, event.value, span.forwarded(event.headers))
        self.take(publisher)

    def end(self, publisher: Publisher) -> None:
        """Nothing more is waited for: what is not acknowledged by now may be in the topic or not."""
        self.take(publisher)
        self.unacknowledged = publisher.unacknowledged
        for _, span in self._sent:
            span.end("unacknowledged")

    def take(self, publisher: Publisher) -> None:
        """Tell the place of what has been acknowledged."""
        placed = publisher.take_placed()
        self.published = publisher.acknowledged
        for partition, offset in placed:
            key, span = self._sent.popleft()
            span.end()
            if self.as_json:
                self.places.append({"key": key, "partition": partition.number, "offset": offset})
            else:
                clear_progress()
                show_line(f"{key} -> {partition}@{offset}")


def _publish(configuration: Configuration, done: Done, file: str, *, check: bool, skip_bad: bool) -> bool:
    from workers.app.config.rules import message_bytes
    from workers.app.events.command_codec import open_codec
    from workers.app.events.json_lines import read_events

    with open_codec(configuration) as codec:
        codec.prepare(done.topic)
        max_bytes = message_bytes(configuration.config.topics[done.topic])

        def events(lines: Iterable[bytes]) -> Iterator[Ready | Bad]:
            return read_events(codec.codec, done.topic, lines, max_bytes)

        if check:
            return _check(configuration, done, file, events)
        if file != "-" and not skip_bad and _is_bad(file, events, done):
            return False
        with _lines(file) as lines:
            return _send(configuration, done, events(lines), skip_bad=skip_bad)


def _check(configuration: Configuration, done: Done, file: str, events: ReadEvents) -> bool:
    """Read all events and ask the sinks' rules; nothing is sent."""
    from workers.app.events.json_lines import Bad
    from workers.app.inspect.sink_rules import SinkRules

    rules = SinkRules.of(configuration, done.topic, os.environ)
    with _lines(file) as lines:
        for event in events(lines):
            if isinstance(event, Bad):
                done.refuse(event)
                continue
            key, verdicts = event.key.decode(), list(rules.judge(event.content))
            done.checked += 1
            done.parked += any(one.parks for one in verdicts)
            if done.as_json:
                said = [{"sink": one.sink, "parks": one.parks, "says": one.says} for one in verdicts]
                done.verdicts.append({"line": event.line, "key": key, "sinks": said})
            else:
                says = "; ".join(f"{one.sink} {one.says}" for one in verdicts) or "is valid; no sink consumes it"
                show_line(f"line {event.line}: {key}: {says}")
    return not done.bad and not done.parked


def _is_bad(file: str, events: ReadEvents, done: Done) -> bool:
    """Read the whole file first: after a half-sent file, the operator would have to find the line to go on from."""
    from workers.app.events.json_lines import Bad

    if not Path(file).is_file():
        problem = f"'{file}' is no regular file, and publish reads it twice"
        raise click.UsageError(f"{problem}; give - and the events on standard input.")
    with _lines(file) as lines:
        for number, event in enumerate(events(lines), start=1):
            if isinstance(event, Bad):
                done.refuse(event)
            if not number % SHOWN_EVERY:
                show_progress(f"{counted(number, 'event')} validated; nothing is sent yet")
    clear_progress()
    return bool(done.bad)


def _send(configuration: Configuration, done: Done, events: Iterator[Ready | Bad], *, skip_bad: bool) -> bool:
    from workers.edges.kafka.client import KafkaFailed
    from workers.edges.kafka.publisher import open_publisher

    try:
        return _send_to(open_publisher(configuration.settings.kafka, keep_places=True), done, events, skip_bad=skip_bad)
    except KafkaFailed:
        if not done.published:
            _assert_topic(configuration, done.topic)  # the client tells a topic that is missing as a time-out
        raise


def _assert_topic(configuration: Configuration, topic: str) -> None:
    from workers.edges.kafka.reader import all_partitions, open_reader

    with open_reader(configuration.settings.kafka) as reader:
        all_partitions(reader, topic)


def _send_to(
    opened: AbstractContextManager[Publisher], done: Done, events: Iterator[Ready | Bad], *, skip_bad: bool
) -> bool:
    with opened as publisher:
        try:
            _send_all(publisher, done, events, skip_bad=skip_bad)
            publisher.finish()
        except KeyboardInterrupt:  # what was handed to the client is on its way: the operator must know of it
            publisher.settle(SETTLE_WITHIN_S)
            raise
        finally:
            done.end(publisher)
    return skip_bad or not done.bad


def _send_all(publisher: Publisher, done: Done, events: Iterator[Ready | Bad], *, skip_bad: bool) -> None:
    from workers.app.events.json_lines import Bad

    for event in events:
        if isinstance(event, Bad):
            done.refuse(event)
            if not skip_bad:
                return
        else:
            done.send(publisher, event)


@contextmanager
def _lines(file: str) -> Iterator[Iterable[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as lines:
        yield lines


def _close(done: Done, *, check: bool) -> None:
    clear_progress()
    if len(done.bad) > MAX_NAMED:
        print_err(f"relay: and {len(done.bad) - MAX_NAMED} more bad events")
    if done.as_json:
        facts = {"topic": done.topic, "published": done.published, "bad": done.bad, "events": done.places}
        show_json(facts | ({"checked": done.verdicts} if check else {}))
        return
    bad = f", {len(done.bad)} bad" if done.bad else ""
    if check:
        print_err(f"{counted(done.checked, 'event')} checked{bad}, {done.parked} would be parked; nothing was sent")
    else:
        lost = f", {done.unacknowledged} sent without an acknowledgement" if done.unacknowledged else ""
        not_sent = f"{bad} and not sent" if bad else ""
        print_err(f"{counted(done.published, 'event')} published to {done.topic}{lost}{not_sent}")
