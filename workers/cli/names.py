"""Arguments and options whose value is a name of topics.yaml: the shell completes them (`complete`)."""

from typing import Final

from click.types import StringParamType


class NameType(StringParamType):
    """Text, of which the completion knows what it names."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


TOPIC: Final = NameType("topic")
EVENT_TOPIC: Final = NameType("event topic")  # one with a schema
WORKER: Final = NameType("worker")
SINK: Final = NameType("sink")
POLLER: Final = NameType("poller")
