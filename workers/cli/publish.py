"""``relay publish TOPIC [FILE|-]``: JSON lines to Kafka."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.configured import read_configuration
from workers.cli.output import print_err, show_json

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.events.json_lines import Bad, Ready

MAX_NAMED = 20  # bad lines that are named; further ones are counted
SHOWN_EVERY = 500  # events


@click.command(epilog="Example: relay sample order-created | relay publish order-created -")
@click.argument("topic")
@click.argument("file", default="-", type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True))
@click.option("--skip-bad", is_flag=True, help="Name the bad lines and send the rest.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts for a machine.")
def publish(topic: str, file: str, skip_bad: bool, as_json: bool) -> int:
    """Validate, encode and send events, one JSON object a line, and wait for the acknowledgements.

    A FILE is validated whole before anything is sent. Lines of standard input (-) are sent
    as they come, up to the first bad line. `relay sample TOPIC` prints a valid event.
    """
    from workers.app.events.command_codec import assert_has_schema

    configuration = read_configuration()
    assert_has_schema(configuration, topic)
    counts = Counts(topic)
    good = _publish(configuration, counts, file, skip_bad=skip_bad)
    _close(counts, as_json=as_json)
    return 0 if good else 1


@dataclass
class Counts:
    """How many lines were published, and which were bad."""

    topic: str
    published: int = 0
    bad: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, bad: Bad) -> None:
        self.bad.append({"line": bad.line, "fault": bad.fault})
        if len(self.bad) <= MAX_NAMED:
            print_err(f"relay: line {bad.line}: {bad.fault}")


def _publish(configuration: Configuration, counts: Counts, file: str, *, skip_bad: bool) -> bool:
    from workers.app.config.rules import message_bytes
    from workers.app.events.command_codec import open_codec
    from workers.app.events.json_lines import read_events

    with open_codec(configuration) as codec:
        codec.prepare(counts.topic)
        max_bytes = message_bytes(configuration.config.topics[counts.topic])

        def events(lines: Iterable[bytes]) -> Iterator[Ready | Bad]:
            return read_events(codec.codec, counts.topic, lines, max_bytes)

        if file != "-" and not skip_bad and _is_bad(file, events, counts):
            return False
        with _lines(file) as lines:
            return _send(configuration, counts, events(lines), skip_bad=skip_bad)


def _is_bad(file: str, events: Callable[[Iterable[bytes]], Iterator[Ready | Bad]], counts: Counts) -> bool:
    """Read the whole file first: after a half-sent file, the operator would have to find the line to go on from."""
    from workers.app.events.json_lines import Bad

    if not Path(file).is_file():
        problem = f"'{file}' is no regular file, and publish reads it twice"
        raise click.UsageError(f"{problem}; give - and the lines on standard input.")
    with _lines(file) as lines:
        for event in events(lines):
            if isinstance(event, Bad):
                counts.refuse(event)
    return bool(counts.bad)


def _send(configuration: Configuration, counts: Counts, events: Iterator[Ready | Bad], *, skip_bad: bool) -> bool:
    from workers.app.events.json_lines import Bad
    from workers.edges.kafka.publisher import open_publisher

    with open_publisher(configuration.settings.kafka) as publisher, _progress() as progress:
        try:
            for event in events:
                if isinstance(event, Bad):
                    counts.refuse(event)
                    if not skip_bad:
                        break
                else:
                    publisher.send(counts.topic, event.key, event.value, event.headers)
                    progress(publisher.acknowledged)
            publisher.finish()
        finally:
            counts.published = publisher.acknowledged
    return skip_bad or not counts.bad


@contextmanager
def _lines(file: str) -> Iterator[Iterable[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as lines:
        yield lines


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Show the count on a terminal, in place; nothing elsewhere."""
    shown = sys.stderr.isatty()
    calls = 0

    def progress(acknowledged: int) -> None:
        nonlocal calls
        calls += 1
        if shown and calls % SHOWN_EVERY == 0:
            sys.stderr.write(f"\r{acknowledged} events acknowledged")

    try:
        yield progress
    finally:
        if shown and calls >= SHOWN_EVERY:
            sys.stderr.write("\r\x1b[K")


def _close(counts: Counts, *, as_json: bool) -> None:
    if len(counts.bad) > MAX_NAMED:
        print_err(f"relay: and {len(counts.bad) - MAX_NAMED} more bad lines")
    if as_json:
        show_json({"topic": counts.topic, "published": counts.published, "bad": counts.bad})
        return
    refused = f", {len(counts.bad)} bad lines not sent" if counts.bad else ""
    print_err(f"{counts.published} events published to {counts.topic}{refused}")
