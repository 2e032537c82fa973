"""``relay tail TOPIC``: a topic's records as JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from workers.cli.configured import read_configuration
from workers.cli.names import TOPIC
from workers.cli.output import print_err, show_json_text

if TYPE_CHECKING:
    from workers.core.record import Record


@click.command(epilog="Example: relay tail order-created --from-beginning --max 1")
@click.argument("topic", type=TOPIC)
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest record instead of the next one.")
@click.option("--key", metavar="K", help="Only records of this key, such as an order id.")
@click.option("--max", "max_records", type=click.IntRange(min=1), metavar="N", help="Stop after so many records.")
@click.option("--json", "as_json", is_flag=True, help="One line a record, on a terminal as well.")
def tail(topic: str, from_beginning: bool, key: str | None, max_records: int | None, as_json: bool) -> int:
    """Show a topic's records as JSON lines, decoded, as they come; Ctrl-C ends it.

    In a pipe each record is one line; on a terminal it is indented, unless --json is given.
    A value that does not decode is shown in base64. No offset is committed.
    """
    import orjson

    from workers.app.events.command_codec import open_codec
    from workers.app.events.json_lines import record_json
    from workers.edges.kafka.reader import tail as read

    configuration = read_configuration()
    indent = sys.stdout.isatty() and not as_json
    if sys.stderr.isatty() and not from_beginning:
        print_err(f"waiting for new records of {topic}; --from-beginning shows the old ones; Ctrl-C ends")
    with open_codec(configuration) as codec:
        records = read(configuration.settings.kafka, topic, from_beginning=from_beginning)
        for record in islice(_of_key(records, key), max_records):
            line = orjson.dumps(record_json(codec, record), option=orjson.OPT_INDENT_2 if indent else 0)
            show_json_text(line.decode())
    return 0


def _of_key(records: Iterator[Record], key: str | None) -> Iterator[Record]:
    wanted: Any = None if key is None else key.encode()
    return (record for record in records if wanted is None or record.key == wanted)
