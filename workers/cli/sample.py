"""``relay sample TOPIC``: a valid example event."""

from __future__ import annotations

from datetime import UTC, datetime
from random import SystemRandom

import click

from workers.cli.configured import read_configuration
from workers.cli.names import EVENT_TOPIC
from workers.cli.output import show_json_text


@click.command(epilog="Example: relay sample order-created --order-id A-1001")
@click.argument("topic", type=EVENT_TOPIC)
@click.option("--order-id", metavar="ID", help="The order that the event is about; without it, one by chance.")
@click.option("--bad", is_flag=True, help="An order that the relay parks: its currency has four letters.")
def sample(topic: str, order_id: str | None, bad: bool) -> int:
    """Print a valid example event of a topic as one JSON line, ready for `relay publish`."""
    import orjson

    from workers.app.events.command_codec import assert_publishable
    from workers.app.events.schemas import read_schemas
    from workers.devkit.samples import bad_event, sample_event
    from workers.edges.avro.event_json import to_json

    configuration = read_configuration()
    assert_publishable(configuration, topic)
    tree = read_schemas(configuration.config)[topic].today.tree
    event = sample_event(tree, SystemRandom(), datetime.now(UTC), order_id)
    try:
        event = bad_event(event) if bad else event
    except ValueError as error:
        raise click.UsageError(f"--bad is for events that create an order; one of {topic} {error}.") from error
    show_json_text(orjson.dumps(to_json(tree, event)).decode())
    return 0
