"""The catalogue of spans: every name, event and attribute that the relay records, and nothing else.

Names follow OpenTelemetry's semantic conventions 1.44 for messaging (Kafka) and HTTP clients; what these do not name
begins with ``relay.``. ``docs/traces.md`` is made from this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workers.core.trace import Wait

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
SCOPE: Final = "order_relay"

# Messaging.
SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"
OFFSET: Final = "messaging.kafka.offset"
TOMBSTONE: Final = "messaging.kafka.message.tombstone"
GROUP: Final = "messaging.consumer.group.name"
MESSAGE_COUNT: Final = "messaging.batch.message_count"

# HTTP.
METHOD: Final = "http.request.method"
RESEND_COUNT: Final = "http.request.resend_count"
STATUS_CODE: Final = "http.response.status_code"
URL: Final = "url.full"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

ERROR_TYPE: Final = "error.type"

# The relay's own.
ORDER_ID: Final = "relay.order.id"
WORKER: Final = "relay.worker"
VENDOR: Final = "relay.vendor"
OUTCOME: Final = "relay.outcome"
REASON: Final = "relay.reason"
REPLAY: Final = "relay.replay"
LOOK_UP: Final = "relay.look_up"
OPERATION: Final = "relay.operation"
WAIT_SECONDS: Final = "relay.wait.seconds"

ATTRIBUTES: Final[Mapping[str, str]] = {
    SYSTEM: "`kafka`",
    OPERATION_NAME: "`process` or `send`",
    OPERATION_TYPE: "the same",
    DESTINATION: "the topic; of a replayed record the topic that it was published to",
    PARTITION: "the partition, as text",
    OFFSET: "the record's offset",
    TOMBSTONE: "`true` for a record without a value",
    GROUP: "the worker's consumer group",
    MESSAGE_COUNT: "records in a flight of several",
    METHOD: "the request's method",
    RESEND_COUNT: "how often the same request was sent before, in this flight or in an earlier one",
    STATUS_CODE: "the vendor's status",
    URL: "the address without user and query",
    SERVER_ADDRESS: "the vendor's host",
    SERVER_PORT: "its port",
    ERROR_TYPE: "what went wrong: a status, an outcome or a reason for parking; missing when nothing did",
    ORDER_ID: "the order",
    WORKER: "the worker's name in `topics.yaml`",
    VENDOR: "the vendor",
    OUTCOME: "what became of it: `delivered`, `found`, `skipped`, `parked`, `discarded`, `given_away`",
    REASON: "why it was skipped, parked or late, in one word or a fixed text",
    REPLAY: "`true` for a record that comes from the parked topic",
    LOOK_UP: "`true` for a request that only asks whether the vendor has an order; that it has none is no error",
    OPERATION: "what the request does, in the vendor's word, as in `relay_request_duration_seconds`",
    WAIT_SECONDS: "how long the wait took; the event has the time of its beginning",
}
"""Attribute -> what it says."""


@dataclass(frozen=True, slots=True)
class SpanName:
    """A kind of span, by the first word of its name."""

    form: str  # of the whole name
    kind: str  # OpenTelemetry's
    meaning: str


SPANS: Final[Mapping[str, SpanName]] = {
    "process": SpanName(
        "process <topic>",
        "CONSUMER",
        "One record, from its fetch to its finish, on its publisher's trace, whose span it links to. A record that is "
        "replayed has one more, below the `send` span of its parking.",
    ),
    "deliver": SpanName(
        "deliver <vendor>",
        "INTERNAL",
        "One flight: a conversation with the vendor about one record or a batch. It links to the `process` span of "
        "each record, and each links to it. Its parent is the first of them.",
    ),
    "poll": SpanName(
        "poll <vendor>", "INTERNAL", "One poll of a time range, or one look at an order: a trace of its own."
    ),
    "http": SpanName(
        "<method>",
        "CLIENT",
        "One HTTP attempt. The vendor receives its context as `traceparent`. The renewal of an e-Courier token that "
        "nothing has used for ten days has none: no order waits for it.",
    ),
    "send": SpanName(
        "send <topic>",
        "PRODUCER",
        "One record that is written: a parked record, below its order's span; the trace of a discard; a change event, "
        "on its order's trace where that is known (with a link to the poll), else on the poll's; an event that "
        "`relay publish` sends, as the root of its trace; the receipts of one commit together, as a trace of its own. "
        "The record has its context as `traceparent`. Rows of the relay's own memory (`-state`, tracked orders) have "
        "none: no subscriber waits for them, and each delivery would have a fourth span.",
    ),
}

WAITS: Final[Mapping[Wait, str]] = {
    Wait.LANE: "its turn: records of its order, of its other topic or of other orders go first",
    Wait.PUBLISH_SKEW: "its create, which may have been appended after it",
    Wait.GATE: "the vendor's gate (circuit breaker)",
    Wait.LINGER: "the batch that it is in is being filled",
    Wait.SESSION: "a login to the vendor",
    Wait.RETRY: "the pause after a failed attempt",
    Wait.CREATE: "its order: the vendor does not know it yet",
}
"""The events of a `process` span that are waits."""

OUTCOMES: Final[Mapping[str, str]] = {
    "delivered": "the vendor applied it",
    "found": "the vendor had it already",
    "skipped": "there is nothing to send",
    "throttled": "the vendor asks to be left alone",
    "unavailable": "the vendor did not take it for now",
    "unknown": "no answer came: the vendor may have applied it",
    "denied": "the vendor refuses the account, or this order",
    "unknown_order": "the vendor does not know the order yet",
    "rejected": "the vendor refuses this record",
    "parked": "it goes to the parked topic",
}
"""The events of a `process` span that are outcomes of its flights, and its end if it is parked."""
