"""Rules between the blocks of topics.yaml: each broken one is named at the key to change."""

from pathlib import Path

import pytest

from tests.support.ecdp_only import ECDP_ONLY, WHOLE
from tests.support.topics_yaml import ORDER_POLLER, POLLER, SET_POLLER, SINK, TopicsYaml, place

ROOT_YAML = Path(__file__).parents[3] / "topics.yaml"


@pytest.mark.parametrize(
    ("was", "becomes", "needle", "message"),
    [
        ("max_in_flight: 64", "max_in_flight: 20000", "max_in_flight: 20000", "must not be more than max_unfinished"),
        ("first: 200ms", "first: 40s", "first: 40s", "retry.first: must not be more than retry.max"),
        ("[order-created, order-status]", "[order-created, order-statuss]", "order-statuss]", "'order-status'"),
        ("[order-created, order-status]", "[order-created, order-created]", "consumes:", "must name each topic once"),
        ("parks: ecdp-parked", "parks: order-status", "parks: order-status", "does not consume"),
        ("schemas/order-status.avsc", "schemas/order-statu.avsc", "schema: schemas/order-statu.", "no such file"),
        ("schemas/order-status.avsc", "s" * 300, "schema: sss", "cannot be read: file name too long"),
        ("retention.ms: -1", "retention.ms: 5", "retention.ms: 5", "must be -1"),
        ("max.message.bytes: 1114124", "max.message.bytes: 1114123", "max.message.bytes: 1114123", "1114124"),
        ("cleanup.policy: compact", "cleanup.policy: delete", "cleanup.policy: delete", "must be compact"),
        ("cleanup.policy: delete", "cleanup.policy: compact,delete", "cleanup.policy: compact,", "must be delete"),
        ("receipts: ecdp-receipts", "receipts: ecdp-parked", "receipts: ecdp-parked", "must be a topic of its own"),
        ("receipts: ecdp-receipts", "receipts: receipt", "receipts: receipt\n", "no topic 'receipt' under topics"),
    ],
)
def test_a_sinks_broken_rule_is_named_at_its_key(
    topics_yaml: TopicsYaml, was: str, becomes: str, needle: str, message: str
) -> None:
    assert was in ECDP_ONLY
    text = ECDP_ONLY.replace(was, becomes)
    found = topics_yaml.faults(text)
    assert any(fault.startswith(f"{place(text, needle)}: ") and message in fault for fault in found), found


def test_the_sinks_topics_have_equal_partition_counts_parked_ones_too(topics_yaml: TopicsYaml) -> None:
    """With unequal counts one process would not see both sides of an order."""
    for topic in ("order-created", "order-status", "ecdp-parked:", "ecdp-parked-state", "ecdp-receipts"):
        start = ECDP_ONLY.index(f"  {topic}")
        text = ECDP_ONLY[:start] + ECDP_ONLY[start:].replace("partitions: 12", "partitions: 6", 1)
        (found,) = topics_yaml.faults(text)
        assert f"must be 12, as many as '{'order-status' if topic == 'order-created' else 'order-created'}'" in found


def test_workers_of_one_account_have_one_budget(topics_yaml: TopicsYaml) -> None:
    text = ROOT_YAML.read_text()
    at = text.index("  komet-poller:")
    (found,) = topics_yaml.faults(text[:at] + text[at:].replace("requests: 1000", "requests: 3000"))
    assert "budget: must be that of komet-" in found


def test_receipts_may_have_more_partitions_than_their_sources(topics_yaml: TopicsYaml) -> None:
    start = ECDP_ONLY.index("  ecdp-receipts")
    found = topics_yaml.load(ECDP_ONLY[:start] + ECDP_ONLY[start:].replace("partitions: 12", "partitions: 13", 1))
    assert found.topics["ecdp-receipts"].partitions == 13


def test_receipts_are_written_to_a_topic_of_receipts(topics_yaml: TopicsYaml) -> None:
    (found,) = topics_yaml.faults(ECDP_ONLY.replace("schemas/ecdp-receipts.avsc", "schemas/order-status.avsc"))
    assert "schema: must be ReceiptBatch" in found


def test_more_replicas_in_sync_than_there_are_is_refused(topics_yaml: TopicsYaml) -> None:
    found = topics_yaml.faults(ECDP_ONLY.replace("min.insync.replicas: 2 ", "min.insync.replicas: 4 "))
    assert any("must be 1 to 3" in fault for fault in found)


def test_topics_that_a_sink_merges_need_the_brokers_clock(topics_yaml: TopicsYaml) -> None:
    clock = "message.timestamp.type: "
    found = topics_yaml.faults(ECDP_ONLY.replace(f"{clock}LogAppendTime", f"{clock}CreateTime"))
    assert len(found) == 2
    assert all("must be LogAppendTime" in fault for fault in found)


def test_a_file_that_is_no_schema_is_a_fault_of_the_topic(topics_yaml: TopicsYaml) -> None:
    (topics_yaml.folder / "broken.avsc").write_text("{")
    (found,) = topics_yaml.faults(ECDP_ONLY.replace("schemas/order-status.avsc", "broken.avsc"))
    assert "not JSON" in found


@pytest.mark.parametrize(
    ("text", "second", "message"),
    [
        (
            ECDP_ONLY,
            "  ecdp-east: {vendor: ecdp, consumes: [order-created], parks: ecdp-parked, credentials: ECDP_EAST}\n",
            "already that of ecdp-sink",
        ),
        (
            POLLER,
            "  dcl-two: {vendor: dcl, publishes: [order-stage-changed], state: dcl-poll-state}\n",
            "already that of dcl-poller",
        ),
    ],
)
def test_two_workers_cannot_share_the_topic_of_their_state(
    topics_yaml: TopicsYaml, text: str, second: str, message: str
) -> None:
    (found,) = topics_yaml.faults(text + second)
    assert message in found


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("cleanup.policy: compact", "cleanup.policy: delete", "must be compact"),
        ("partitions: 1", "partitions: 2", "must be 1, one for each account"),
        ("    vendor: dcl\n", "    vendor: dcl\n    accounts: [A1, A2]\n", "must be 2, one for each account"),
        ("[order-stage-changed]", "[order-stage-change]", "did you mean 'order-stage-changed'?"),
        ("[order-stage-changed]", "[order-stage-changed]\n    evry: 1s", "did you mean 'every'?"),
        ("[order-stage-changed]", "[order-stage-changed]\n    rest: 401d", "must be more than rest"),
        ("[order-stage-changed]", "[order-stage-changed]\n    page_size: 101", "page_size"),
        ("  dcl-poller:", "  DclPoller:", "a worker's name must be small letters"),
        ("  dcl-poll-state: {schema: schemas/dcl-poll-state.avsc, ", "  dcl-poll-state: {", "'schema' is missing"),
    ],
)
def test_a_pollers_broken_rule_is_named(topics_yaml: TopicsYaml, was: str, becomes: str, message: str) -> None:
    assert was in POLLER
    found = topics_yaml.faults(POLLER.replace(was, becomes))
    assert any(message in fault for fault in found), found


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("event]", "event]\n    settle_lag: 5m", "settle_lag: not for ecourier-poller, which polls orders one by one"),
        ("event]", "event]\n    look_again: {every: 1h}", "look_again: not for ecourier-poller"),
        (", courier-order-event]", "]", "publishes: must name a topic of CourierOrderEvent too"),
        ("courier-order-event]", "ecourier-poll-state]", "'ecourier-poll-state' holds PollState"),
        ("event]", "event]\n    follows: tracked", "no topic 'tracked' under topics"),
        ("event]", "event]\n    progress: {N: recieved}", "progress.N"),
        ("event]", "event]\n    slower: [{quiet_for: 1h}]", "'every' is missing"),
        ("event]", "event]\n    gracee: 1h", "did you mean 'grace'?"),
        ("avsc, partitions: 4, config: {cleanup.policy: compact}}\nw", "avsc, partitions: 4}\nw", "must be compact"),
        (
            "avsc, partitions: 4, config: {cleanup.policy: compact}}\n  e",
            "avsc, partitions: 4}\n  e",
            "must be compact",
        ),
        ("poll-state.avsc, partitions: 4", "poll-state.avsc, partitions: 3", "must be 4, as many as 'ecourier-tracked"),
    ],
)
def test_an_order_pollers_broken_rule_is_named(topics_yaml: TopicsYaml, was: str, becomes: str, message: str) -> None:
    assert was in ORDER_POLLER
    found = topics_yaml.faults(ORDER_POLLER.replace(was, becomes))
    assert any(message in fault for fault in found), found


@pytest.mark.parametrize("key", ["follows: dcl-poll-state", "grace: 1d", "slower: []", "give_up_after: 1d", "sets: {}"])
def test_a_key_of_an_order_poller_is_refused_for_one_that_reads_time_ranges(topics_yaml: TopicsYaml, key: str) -> None:
    found = topics_yaml.faults(f"{POLLER}    {key}\n")
    message = f"{key.partition(':')[0]}: not for dcl-poller, which reads what changed in a time range; take it out"
    assert any(message in fault for fault in found), found


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("orders: {every: 1m}, ", "", "sets: must name 'orders' too, of which shipments are parts"),
        ("invoices: {every: 5m}", "invoice: {every: 5m}", "sets: no set 'invoice'; did you mean 'invoices'?"),
        ("invoices: {every: 5m}", "invoices: {}", "'every' is missing"),
        (", invoices: {every: 5m}", "", "'invoice-changed' holds InvoiceChanged, which e2cc-poller does not publish"),
        (", invoice-changed]", "]", "publishes: must name a topic of InvoiceChanged too"),
        ("    sets:", "    every: 5m\n    sets:", "every: not for e2cc-poller, which reads sets; take it out"),
        ("    sets:", "    follows: e2cc-poll-state\n    sets:", "follows: not for e2cc-poller, which reads sets"),
        ("{orders: {every: 1m}, shipments: {every: 1m}, invoices: {every: 5m}}", "{}", "sets: must name one at least"),
        ("partitions: 1", "partitions: 2", "must be 1, one for each account"),
        ("    sets:", "    budget: {request: 5}\n    sets:", "did you mean 'requests'?"),
    ],
)
def test_a_set_pollers_broken_rule_is_named(topics_yaml: TopicsYaml, was: str, becomes: str, message: str) -> None:
    assert was in SET_POLLER
    found = topics_yaml.faults(SET_POLLER.replace(was, becomes))
    assert any(message in fault for fault in found), found


def test_a_poller_must_follow_the_orders_that_its_vendors_sink_tracks(topics_yaml: TopicsYaml) -> None:
    """Orders that the sink tracks elsewhere would never be polled."""
    assert "    follows: ecourier-tracked-orders" in WHOLE
    elsewhere = WHOLE.replace("    follows: ecourier-tracked-orders", "    follows: ecourier-parked-state")
    assert any("follows: must be ecourier-tracked-orders" in fault for fault in topics_yaml.faults(elsewhere))


def test_a_sinks_topic_needs_a_schema(topics_yaml: TopicsYaml) -> None:
    without = "{partitions: 3, config: {message.timestamp.type: LogAppendTime}}"
    (found,) = topics_yaml.faults(SINK.replace("{<<: *source, schema: schemas/order-status.avsc}", without))
    assert found.startswith(f"{place(SINK, 'order-status')}: key 'schema' is missing")
