"""topics.yaml: the repository's own file, defaults, values from the environment, and faults with their place."""

from pathlib import Path

import pytest

from tests.support.ecdp_only import ECDP_ONLY, WHOLE
from tests.support.topics_yaml import ORDER_POLLER, POLLER, SET_POLLER, SINK, TopicsYaml, load_config, place
from workers.app.config.errors import ConfigError
from workers.app.config.specs import PollerSpec, SinkSpec


@pytest.mark.parametrize(
    ("name", "short"), [("ecdp-sink", SINK), ("dcl-poller", POLLER), ("ecourier-poller", ORDER_POLLER)]
)
def test_the_repositorys_own_file_writes_out_the_defaults(topics_yaml: TopicsYaml, name: str, short: str) -> None:
    """The written values are the contract's defaults, so a shorter file means the same."""
    assert topics_yaml.load(WHOLE).workers[name] == topics_yaml.load(short).workers[name]


def test_a_sinks_defaults(topics_yaml: TopicsYaml) -> None:
    sink = topics_yaml.load(SINK).workers["ecdp-sink"]
    assert isinstance(sink, SinkSpec)
    assert (sink.parks, sink.parked_state, sink.group) == ("ecdp-parked", "ecdp-parked-state", "relay.ecdp-sink")
    assert sink.receipts == "ecdp-receipts"
    assert (sink.batch.linger, sink.batch.max_bytes, sink.max_unfinished_bytes) == (0.02, 2**20, 48 * 2**20)
    assert (sink.retry.first, sink.retry.give_up_after, sink.drain, sink.session) == (0.2, 900, 30, 45)


def test_a_file_of_the_release_before_receipts_is_good_and_its_sinks_write_none(topics_yaml: TopicsYaml) -> None:
    text = SINK.replace("  ecdp-receipts: {schema: schemas/ecdp-receipts.avsc, partitions: 3}\n", "")
    sink = topics_yaml.load(text).sinks["ecdp-sink"]
    assert sink.receipts is None
    assert sink.written_topics == ("ecdp-parked", "ecdp-parked-state")


def test_a_pollers_defaults(topics_yaml: TopicsYaml) -> None:
    poller = topics_yaml.load(POLLER).workers["dcl-poller"]
    assert isinstance(poller, PollerSpec)
    assert (poller.state, poller.group) == ("dcl-poll-state", "relay.dcl-poller")
    assert poller.transactional_id(0) == "dcl-poller-0"
    assert (poller.every, poller.settle_lag, poller.lookback) == (60, 300, 7 * 86_400)


def test_a_set_pollers_beats_budget_and_defaults(topics_yaml: TopicsYaml) -> None:
    environ = {"RELAY__E2CC_POLLER__SETS__ORDERS__EVERY": "1s", "RELAY__E2CC_POLLER__BUDGET__REQUESTS": "50"}
    found = topics_yaml.load(SET_POLLER, environ).pollers["e2cc-poller"]
    assert {name: one.every for name, one in found.sets.items()} == {"orders": 1, "shipments": 60, "invoices": 300}
    assert (found.state, found.max_in_flight, found.lookback) == ("e2cc-poll-state", 1, 400 * 86_400)
    assert found.budget is not None
    assert (found.budget.requests, found.budget.per) == (50, 86_400)
    listed = SET_POLLER[: SET_POLLER.index("    sets:")]
    assert any("'return-changed'" not in fault and "ReturnChanged" in fault for fault in topics_yaml.faults(listed))


def test_an_order_pollers_defaults(topics_yaml: TopicsYaml) -> None:
    poller = topics_yaml.load(ORDER_POLLER).pollers["ecourier-poller"]
    assert poller.topics == ("ecourier-poll-state", "ecourier-tracked-orders")
    assert (poller.every, poller.grace, poller.give_up_after) == (30, 86_400, 60 * 86_400)
    assert [(line.quiet_for, line.every, line.status) for line in poller.slower] == [
        (600, 60, None),
        (600, 120, "A"),
        (172_800, 900, None),
    ]


def test_schema_files_are_relative_to_the_file_not_to_the_process(
    topics_yaml: TopicsYaml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    found = topics_yaml.load(ECDP_ONLY).topics["order-created"].schema_file
    assert found == topics_yaml.folder.resolve() / "schemas/order-created.avsc"


def test_a_laptops_replication_factor_bounds_how_many_replicas_must_be_in_sync(topics_yaml: TopicsYaml) -> None:
    for topic in topics_yaml.load(ECDP_ONLY, factor=1).topics.values():
        assert topic.replication_factor == 1
        assert topic.config["min.insync.replicas"] == "1"


def test_a_variable_replaces_any_value_at_any_depth(topics_yaml: TopicsYaml) -> None:
    environ = {
        "RELAY__ECDP_SINK__BATCH__LINGER": "5ms",
        "RELAY__ECDP_SINK__MAX_IN_FLIGHT": "7",
        "RELAY__ECDP_SINK__MODE": "Add",
        "RELAY__ECDP_SINK__CONSUMES": "[order-created]",
    }
    sink = topics_yaml.load(SINK, environ).sinks["ecdp-sink"]
    assert (sink.batch.linger, sink.max_in_flight, sink.consumes) == (0.005, 7, ("order-created",))
    assert sink.options.mode == "Add"
    assert sink.batch.max_orders == 100


def test_a_variable_replaces_a_pollers_values_too(topics_yaml: TopicsYaml) -> None:
    environ = {"RELAY__DCL_POLLER__EVERY": "1s", "RELAY__DCL_POLLER__ORDER_ID_FROM": "po_number"}
    poller = topics_yaml.load(POLLER, environ).pollers["dcl-poller"]
    assert (poller.every, poller.options.order_id_from) == (1.0, "po_number")
    environ = {"RELAY__ECOURIER_POLLER__EVERY": "1s", "RELAY__ECOURIER_POLLER__GRACE": "5s"}
    poller = topics_yaml.load(ORDER_POLLER, environ).pollers["ecourier-poller"]
    assert (poller.every, poller.grace, len(poller.slower)) == (1.0, 5.0, 3)


@pytest.mark.parametrize(
    ("text", "variable", "hint"),
    [
        (SINK, "RELAY__ECDP_SINK__BATCH__LINGR", "'RELAY__ECDP_SINK__BATCH__LINGER'"),
        (SINK, "RELAY__ECDP_SNK__DRAIN", "'RELAY__ECDP_SINK__...'"),
        (SINK, "RELAY__ECDP_SINK__MAX_IN_FLIGHT", "must be a whole number"),
        (SINK, "RELAY__ECDP_SINK__CONSUMES", "must be a list"),
        (SINK, "RELAY__ECDP_SINK__NAME", "unknown key"),
        (SINK, "RELAY__ECDP_SINK__OPTIONS", "unknown key"),
        (ORDER_POLLER, "RELAY__ECOURIER_POLLER__PROGRESS__N", "unknown key"),
    ],
)
def test_a_wrong_variable_is_named_in_full(topics_yaml: TopicsYaml, text: str, variable: str, hint: str) -> None:
    (found,) = topics_yaml.faults(text, {variable: "canary"})
    assert found.startswith(f"{variable}: ")
    assert hint in found
    assert "canary" not in found


@pytest.mark.parametrize(
    ("key", "value"),
    [("SLOWER", "[{quiet_for: 1m, evry: 2m}]"), ("SLOWER", "[{quiet_for: x, every: 2m}]"), ("RETRY", "{first: x}")],
)
def test_a_fault_inside_a_variables_value_is_at_the_variable_not_in_the_file(
    topics_yaml: TopicsYaml, key: str, value: str
) -> None:
    variable = f"RELAY__ECOURIER_POLLER__{key}"
    found = topics_yaml.faults(ORDER_POLLER, {variable: value})
    assert {fault.partition(":")[0] for fault in found} == {variable}


@pytest.mark.parametrize(
    ("was", "becomes", "needle", "hint"),
    [
        ("linger: 20ms", "linger_ms: 20ms", "linger_ms", "did you mean 'linger'?"),
        ("linger: 20ms", "linger: 20", "linger: 20", "batch.linger: must be a duration"),
        ("drain: 30s", "drian: 30s", "drian", "did you mean 'drain'?"),
        ("drain: 30s", "linger: 30s", "linger: 30s", "did you mean 'batch.linger'?"),
        ("drain: 30s", "name: x", "name: x", "unknown key 'name'"),
        ("drain: 30s", "options: {}", "options: {}", "unknown key 'options'"),
        ("session: 45s", "session: 0s", "session: 0s", "session: must be 1s to 30m"),
        ("session: 45s", "session: 2h", "session: 2h", "session: must be 1s to 30m"),
        ("mode: AddOrReplace", "mode: addorreplace", "mode: addorreplace", "'AddOrReplace'"),
        ("time_zone: event", "time_zone: local", "time_zone: local", "'utc'"),
        ("max_in_flight: 64", "max_in_flight: 0", "max_in_flight: 0", "must be more than 0"),
        ("max_in_flight: 64", "max_in_flight: true", "max_in_flight: true", "must be a whole number"),
        ("max_unfinished_bytes: 48MiB", "max_unfinished_bytes: 48MB", "max_unfinished_bytes: 48MB", "must be a size"),
        ("retry: {", "retry: 5s  # {", "retry: 5s", "must be a block of keys"),
        ("credentials: ECDP", "credentials: ecdp", "credentials: ecdp", "capitals"),
        ("vendor: ecdp", "vendor: ecpd", "vendor: ecpd", "did you mean 'ecdp'?"),
        ("vendor: ecdp", "# no vendor", "ecdp-sink:\n", "key 'vendor' is missing"),
        ("[order-created, order-status]", "[]", "consumes: []", "must hold at least one"),
        ("[order-created, order-status]", "order-created", "consumes: order-created", "must be a list"),
        ("[order-created, order-status]", "[order-created, 7]", "7]", "must be text"),
        ("[order-created, order-status]", "[order-created, a b]", "a b]", "must be the name of a topic"),
        ("version: 1", "version: 2", "version: 2", "must be 'version: 1'"),
        ("\nworkers:", "\nworker:", "worker:\n", "did you mean 'workers'?"),
    ],
)
def test_a_fault_has_its_place_and_says_what_the_value_must_be(
    topics_yaml: TopicsYaml, was: str, becomes: str, needle: str, hint: str
) -> None:
    assert was in ECDP_ONLY
    text = ECDP_ONLY.replace(was, becomes)
    found = topics_yaml.faults(text)
    assert any(fault.startswith(f"{place(text, needle)}: ") and hint in fault for fault in found), found


def test_a_fault_of_one_key_hides_no_broken_rule_of_others(topics_yaml: TopicsYaml) -> None:
    """A key with a fault counts as not written: rules that do not need it are still checked."""
    text = SINK.replace("retention.ms: -1", "retention.ms: 5") + "    batch: {linger: soon, max_orders: 20000}\n"
    found = topics_yaml.faults(text)
    assert len(found) == 3
    assert any("retention.ms: must be -1" in fault for fault in found)
    assert any("batch.max_orders: must not be more than max_unfinished" in fault for fault in found)


def test_a_topic_with_a_fault_of_its_own_is_still_a_topic(topics_yaml: TopicsYaml) -> None:
    (found,) = topics_yaml.faults(SINK.replace("ecdp-parked: {partitions: 3,", "ecdp-parked: {"))
    assert "key 'partitions' is missing" in found


def test_a_worker_whose_vendor_has_no_such_side_is_refused(topics_yaml: TopicsYaml) -> None:
    worker = "  ecdp-poller: {vendor: ecdp, publishes: [x], state: y, every: 60s}\n"
    (found,) = topics_yaml.faults(ECDP_ONLY + worker)
    assert "this relay has no poller for ECDP" in found


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="RELAY_TOPOLOGY"):
        load_config(tmp_path / "nowhere.yaml", {})


@pytest.mark.parametrize(
    ("was", "becomes", "faults"),
    [
        ("\ntopics:\n", "\ntopicsx:\n", ["unknown key 'topicsx'; did you mean 'topics'?", "must be a map 'topics:'"]),
        ("schema: schemas/order-created.avsc", "schemax: schemas/order-created.avsc", ["did you mean 'schema'?"]),
        ("message.timestamp.type: LogAppendTime", "message.timestamp.type: CreateTime", ["must be LogAppendTime"]),
        ("    partitions: 12", "    partitionsx: 12", ["did you mean 'partitions'?"]),
        ("    partitions: 12", "    partitions: 11", ["must be 12, as many as"]),
    ],
)
def test_one_mistake_is_one_fault_whatever_depends_on_it(
    topics_yaml: TopicsYaml, was: str, becomes: str, faults: list[str]
) -> None:
    assert was in WHOLE
    found = topics_yaml.faults(WHOLE.replace(was, becomes, 1))
    assert len(found) == len(faults), found
    assert all(any(fault in one for one in found) for fault in faults), found
