"""Every ``action`` that a log line may have, with what it means and what to do: alerts and searches match them.

mypy refuses a line with another action; `docs/logs.md` is written from this table and from the lines in the code.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Action: TypeAlias = Literal[
    "assigned", "assignment_lost", "budget_spent",
    "cannot_listen", "command_taken", "commit_failed", "commit_metadata_ignored",
    "commit_metadata_too_long", "configuration_fault", "credentials_changed", "discard_skipped", "drain_timed_out",
    "draining", "ended", "flow_failed", "gate_cause_changed", "gate_opened", "gate_shut", "kafka_asks_everywhere",
    "kafka_not_connected", "kafka_poll_failed", "kafka_reachable", "kafka_state_truncated", "kafka_state_unreadable",
    "kafka_unreachable", "kept", "leaving_at_once", "library", "listening", "mapping_failed", "metrics_not_exported",
    "mounted_file_unusable", "no_receipts", "order_in_two_partitions", "order_released", "parked_discarded",
    "parked_not_trimmed", "parked_order_full", "parked_record_unreadable", "parked_records_gone",
    "parked_state_unreadable", "parked_trimmed", "parking", "parking_failed", "partition_not_followed",
    "partition_restarted", "partition_stalled", "partition_stopped", "poll_failed", "receipts_failed",
    "record_damaged", "registry_unavailable", "release_commit_failed", "released", "replay_waits", "requests_go_on",
    "requests_held", "rights_missing", "set_not_read", "shard_loaded", "shard_restarts", "shards_lost", "spans_lost",
    "stable_ends_unknown", "started", "topics_missing", "trace_export_failed", "tracked_order_unreadable",
    "transactions_not_ready", "vendor_clock_differs", "vendor_command", "vendor_command_ended", "vendor_failing",
    "vendor_response_anomaly", "worker_failed",
]  # fmt: skip

_WAIT: Final = "Nothing: it is tried again."

ACTIONS: Final[Mapping[Action, tuple[str, str]]] = {
    "assigned": ("The consumer group has given the worker its partitions.", "Nothing."),
    "assignment_lost": (
        "The group has given the partitions to others: nothing in flight is committed.",
        "If it repeats: is the process starved of processor time, or suspended?",
    ),
    "budget_spent": (
        "The requests that the vendor grants for a time are used up: nothing leaves until some are free again.",
        "`relay vendor komet quota`; ask the vendor for more, or poll seldomer.",
    ),
    "cannot_listen": (
        "The address of RELAY_HTTP_ADDR is taken; the process ends.",
        "Give it a free HOST:PORT, or off.",
    ),
    "command_taken": ("An operator's replay or discard begins.", "Nothing; who asked is in the line."),
    "commit_failed": ("Offsets were not committed; what has finished may be delivered again after a crash.", _WAIT),
    "commit_metadata_ignored": (
        "A commit's metadata is damaged or of another offset: records beyond it are repeated.",
        "If it repeats: which tool copies or edits offsets?",
    ),
    "commit_metadata_too_long": (
        "The broker takes less metadata: more may be repeated after a crash.",
        "Raise offset.metadata.max.bytes of the brokers.",
    ),
    "configuration_fault": (
        "A variable or a key of topics.yaml is wrong; the process ends.",
        "`relay check --offline`",
    ),
    "credentials_changed": ("A mounted secret has changed; the vendor's gate is tried at once.", "Nothing."),
    "discard_skipped": (
        "An operator's discard left an order parked.",
        "`relay parked list`; the reason is in the line.",
    ),
    "drain_timed_out": (
        "Requests were still in flight after `drain`: they are repeated after the restart.",
        "Raise `drain`, and the pod's grace period with it.",
    ),
    "draining": ("The process has a signal to end, and finishes what is in flight.", "Nothing."),
    "ended": ("The process has left its groups, all that finished is committed.", "Nothing."),
    "flow_failed": ("A fault of the relay's own in a vendor's flow; the result counts as unknown.", "Report it."),
    "gate_cause_changed": ("The gate is still shut, for another reason.", "As for `gate_shut`."),
    "gate_opened": ("The vendor works again.", "Nothing."),
    "gate_shut": (
        (
            "The vendor is down, throttles, refuses the key or refuses everything: orders wait in Kafka. Again each "
            "minute."
        ),
        "`relay status`, `relay check NAME`, `relay waiting NAME`",
    ),
    "kafka_asks_everywhere": (
        "No broker answers at the addresses that it last had: the bootstrap servers are asked too.",
        "Are the brokers up, at the addresses in the line?",
    ),
    "kafka_not_connected": ("A client of Kafka's could not be opened.", _WAIT),
    "kafka_poll_failed": ("A fetch failed.", _WAIT),
    "kafka_reachable": ("A broker answers again.", "Nothing."),
    "kafka_state_truncated": (
        "Rows of a state topic were cut off or the topic was created again: it is read again.",
        "Who deletes from state topics?",
    ),
    "kafka_state_unreadable": ("A state topic cannot be read: nothing is sent until it is.", "`relay topics plan`"),
    "kafka_unreachable": (
        "No broker has answered for some seconds. Deliveries stop, nothing is lost.",
        "`relay check`: address, security protocol, network.",
    ),
    "kept": ("The process ends and keeps its partitions for its restart (`leave: false`).", "Start it again in time."),
    "leaving_at_once": ("A second signal: the process ends without committing.", "Nothing; some records are repeated."),
    "library": ("A line of a library.", "Nothing by itself."),
    "listening": ("Health, status and metrics are served here.", "Nothing."),
    "mapping_failed": ("A fault of the relay's own in mapping an event; the record is parked.", "Report it."),
    "metrics_not_exported": (
        "A variable of OpenTelemetry's is wrong: no metrics go out by OTLP.",
        "Correct the variable.",
    ),
    "mounted_file_unusable": (
        "A mounted secret is missing, empty or half written: the value before stays in use.",
        "Look at the secret's mount.",
    ),
    "no_receipts": ("The sink has no receipts topic: `relay order` knows less.", "Add it, `relay topics apply`."),
    "order_in_two_partitions": (
        "Two partitions hold records of one order: their sequence is not kept.",
        "Its publishers must use the order id as key, and one partitioner.",
    ),
    "order_released": ("All parked records of an order have been delivered.", "Nothing."),
    "parked_discarded": ("An operator has given up an order's parked records; who and why is in the line.", "Nothing."),
    "parked_not_trimmed": ("Old records of a parked topic could not be removed.", "Rights: DELETE on the topic."),
    "parked_order_full": ("An order has max_parked_per_order parked records.", "`relay parked show`, then decide."),
    "parked_record_unreadable": (
        "A parked record cannot be read back.",
        "`relay tail` at its place; `relay parked discard`.",
    ),
    "parked_records_gone": (
        "An order's parked records are not in the topic any more.",
        "Who deletes from parked topics?",
    ),
    "parked_state_unreadable": (
        "A row of a parked-state topic cannot be read. Of an order: the worker ends; a command: it does nothing.",
        "Run the release that wrote it, or a later one. Who else writes there?",
    ),
    "parked_trimmed": ("Records before the oldest parked one were removed after parked_history.", "Nothing."),
    "parking": (
        "The vendor will never take this record: it is parked, and later records of the order behind it.",
        "`relay parked show --sink NAME ORDER`, then replay or discard.",
    ),
    "parking_failed": (
        "Parked records cannot be written; their partitions wait.",
        "The parked topic: size limit, rights, ISR.",
    ),
    "partition_not_followed": (
        "The topic of tracked orders has a gap: the poller ends and reads it again.",
        "Nothing.",
    ),
    "partition_restarted": ("An operator decided where a stopped partition goes on.", "Nothing."),
    "partition_stalled": (
        "Kafka has records that the client does not fetch: its position is set again.",
        "If it repeats, the process restarts by /livez.",
    ),
    "partition_stopped": (
        "Partitions wait for an operator: their commit is gone, or a record cannot be read.",
        "`relay offsets NAME`, then `--to`.",
    ),
    "poll_failed": ("The vendor gave a poller no usable answer.", "As for `gate_shut`."),
    "receipts_failed": (
        "Receipts cannot be written: commits wait for them.",
        "The receipts topic: `relay topics plan`.",
    ),
    "record_damaged": ("A record's bytes are damaged; after three reads its partition stops.", "`relay offsets NAME`"),
    "registry_unavailable": ("The schema registry does not answer: records of unknown schemas wait.", "The registry."),
    "release_commit_failed": (
        "The commit while partitions were given away failed: some records are repeated.",
        "Nothing.",
    ),
    "released": ("Partitions were given away, committed.", "Nothing."),
    "replay_waits": ("A replay cannot read parked records.", _WAIT),
    "requests_go_on": ("The group has confirmed the process again.", "Nothing."),
    "requests_held": (
        "The group has not confirmed the process: no request leaves, because another one may own its orders.",
        "If it lasts: Kafka, or a starved process.",
    ),
    "rights_missing": ("The process lacks a right in Kafka.", "Grant it; the line names it."),
    "set_not_read": (
        "A set in topics.yaml is not read: the vendor refuses its list without a variable that is not set.",
        "Set the variable, or take the set out of topics.yaml.",
    ),
    "shard_loaded": ("A poller's shard has read its state.", "Nothing."),
    "shard_restarts": (
        "A poller's write failed, or another process took the shard: it loads again.",
        "If it repeats: two processes of one name?",
    ),
    "shards_lost": ("The group has given the poller's shards to others.", "As for `assignment_lost`."),
    "spans_lost": ("The collector did not take the last spans.", "OTEL_EXPORTER_OTLP_ENDPOINT, and the collector."),
    "stable_ends_unknown": ("The ends of committed records are not known now.", _WAIT),
    "started": ("All workers of the process have started: version, brokers, vendors.", "Nothing."),
    "topics_missing": ("Topics are missing, or have other partition counts: the worker waits.", "`relay topics plan`"),
    "trace_export_failed": ("Spans were not sent because of TLS.", "RELAY_CA_FILE, and the collector's certificate."),
    "tracked_order_unreadable": ("A row of a tracked-orders topic cannot be read.", "Who else writes there?"),
    "transactions_not_ready": ("The producer of transactions could not be opened.", _WAIT),
    "vendor_clock_differs": ("The vendor's clock and this host's differ.", "NTP on this host."),
    "vendor_command": (
        "An operator's command is about to change something at a vendor.",
        "Nothing; who and why is there.",
    ),
    "vendor_command_ended": ("What became of it.", "Nothing."),
    "vendor_failing": (
        "The first failed attempt since the vendor took something; the gate may shut next.",
        "Nothing yet; `relay waiting NAME`.",
    ),
    "vendor_response_anomaly": (
        "The vendor, or an event, has something that its documents do not know; each kind is said once, and counted.",
        "`relay_anomalies_total`; ask the vendor.",
    ),
    "worker_failed": ("A worker cannot go on: the process ends, to be restarted.", "The reason is in the line."),
}
"""Action -> what it means, what to do."""
