"""``relay sample TOPIC``: a valid example event."""

import sys
from datetime import UTC, datetime
from random import SystemRandom

import click

from workers.cli.configured import read_configuration


@click.command(epilog="Example: relay sample order-created | relay publish order-created -")
@click.argument("topic")
def sample(topic: str) -> int:
    """Print a valid example event of a topic as one JSON line, ready for `relay publish`."""
    import orjson

    from workers.app.events.command_codec import assert_has_schema
    from workers.app.events.schemas import read_schemas
    from workers.devkit.samples import sample_event
    from workers.edges.avro.event_json import to_json

    configuration = read_configuration()
    assert_has_schema(configuration, topic)
    tree = read_schemas(configuration.config)[topic].today.tree
    event = sample_event(tree, random=SystemRandom(), now=datetime.now(UTC))
    sys.stdout.buffer.write(orjson.dumps(to_json(tree, event)) + b"\n")
    return 0
