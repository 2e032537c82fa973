"""What the sinks of a topic would make of an event, by the rules that decide about a real one; nothing is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from workers.app.config.configuration import Configuration
from workers.app.events.schemas import read_schemas
from workers.app.inspect.parked_show import preview_sink
from workers.core.delivery.outcome import Rejected, Skipped
from workers.core.event_kinds import EventKind, kind_of
from workers.vendors.contract import Call, Sink


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sink's answer."""

    sink: str
    parks: bool  # the sink would park the event
    says: str


@dataclass(frozen=True, slots=True)
class SinkRules:
    """The sinks that consume a topic."""

    kind: EventKind
    sinks: Mapping[str, Sink]

    @classmethod
    def of(cls, configuration: Configuration, topic: str, environ: Mapping[str, str]) -> "SinkRules":
        """``environ`` has the vendors' variables; those that are not set have their defaults, or none."""
        specs = [spec for spec in configuration.config.sinks.values() if topic in spec.consumes]
        kind = kind_of(read_schemas(configuration.config)[topic].today.name)
        return cls(kind, {spec.name: preview_sink(spec, environ) for spec in specs})

    def judge(self, content: Mapping[str, Any]) -> Iterator[Verdict]:
        """Ask each sink. ``content``: the event in its raw Avro form."""
        for name, sink in self.sinks.items():
            yield _verdict(name, sink, self.kind, content)


def _verdict(name: str, sink: Sink, kind: EventKind, content: Mapping[str, Any]) -> Verdict:
    prepared = sink.prepare(kind.order_event(content))
    match prepared:
        case Call():
            return Verdict(name, parks=False, says="would send it")
        case Skipped(reason=reason):
            return Verdict(name, parks=False, says=f"would skip it: {reason}")
        case Rejected(detail=detail):
            return Verdict(name, parks=True, says=f"would park it as invalid: {detail}")
        case _:
            assert_never(prepared)
