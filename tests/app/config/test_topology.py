"""topics.yaml: the repository's own, defaults, overrides, and faults with their place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.ecdp_only import ECDP_ONLY, WHOLE
from workers.app.config.errors import ConfigError
from workers.app.config.topology import SinkSpec, Topology
from workers.app.config.topology_load import load_topology
from workers.app.config.topology_values import seconds, size

ROOT = Path(__file__).parents[3]
TEXT = ECDP_ONLY
SHORT = """version: 1
topics:
  order-created: &source
    schema: schemas/order-created.avsc
    partitions: 3
    config: {message.timestamp.type: LogAppendTime}
  order-status: {<<: *source, schema: schemas/order-status.avsc}
  ecdp-parked: {partitions: 3, config: {retention.ms: -1, max.message.bytes: 2000000}}
  ecdp-parked-state: {partitions: 3, config: {cleanup.policy: compact}}
workers:
  ecdp-sink:
    vendor: ecdp
    consumes: [order-created, order-status]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path


def load(folder: Path, text: str, environ: dict[str, str] | None = None, factor: int | None = None) -> Topology:
    file = folder / "topics.yaml"
    file.write_text(text)
    return load_topology(file, environ or {}, replication_factor=factor)


def faults(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, environ)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def place(text: str, needle: str) -> str:
    """Where a piece of text stands, as a fault names it."""
    before = text[: text.index(needle)]
    return f"topics.yaml:{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"


def test_the_repositorys_own_file_is_valid_and_says_what_the_defaults_say(folder: Path) -> None:
    """The written values are the contract's defaults, so a shorter file means the same."""
    written = load(folder, WHOLE).sinks["ecdp-sink"]
    left_out = load(folder, SHORT).sinks["ecdp-sink"]
    assert written == left_out
    assert isinstance(written, SinkSpec)
    assert (written.parks, written.parked_state, written.group) == (
        "ecdp-parked",
        "ecdp-parked-state",
        "relay.ecdp-sink",
    )
    assert (written.batch.linger, written.batch.max_bytes, written.max_unfinished_bytes) == (0.02, 2**20, 48 * 2**20)
    assert (written.retry.first, written.retry.give_up_after, written.drain) == (0.2, 900, 30)
    assert written.session == 45


def test_schema_files_lie_beside_the_file_not_beside_the_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert load(folder, TEXT).topics["order-created"].schema_file == folder.resolve() / "schemas/order-created.avsc"


def test_a_laptops_replication_factor_caps_what_must_be_in_sync(folder: Path) -> None:
    for topic in load(folder, TEXT, factor=1).topics.values():
        assert topic.replication_factor == 1
        assert topic.config["min.insync.replicas"] == "1"


@pytest.mark.parametrize(
    ("text", "value"), [("250ms", 0.25), ("30s", 30), ("10m", 600), ("5h", 18000), ("7d", 604800), ("1.5s", 1.5)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["30", 30, "-1s", "1 s", "s", "1w", None, True, "1e3s", "nan s"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"), [("1MiB", 2**20), ("48MiB", 48 * 2**20), (7, 7), ("64KiB", 65536), ("5", 5)]
)
def test_sizes(text: object, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["1MB", "-1", 1.5, True, None, "MiB"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        size(text)


def test_the_environment_overrides_any_value_at_any_depth(folder: Path) -> None:
    sink = load(
        folder,
        SHORT,
        {
            "RELAY__ECDP_SINK__BATCH__LINGER": "5ms",
            "RELAY__ECDP_SINK__MAX_IN_FLIGHT": "7",
            "RELAY__ECDP_SINK__MODE": "Add",
            "RELAY__ECDP_SINK__CONSUMES": "[order-created]",
        },
    ).sinks["ecdp-sink"]
    assert (sink.batch.linger, sink.max_in_flight, sink.consumes) == (0.005, 7, ("order-created",))
    assert sink.options.mode == "Add"
    assert sink.batch.max_orders == 100


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("RELAY__ECDP_SINK__BATCH__LINGR", "'RELAY__ECDP_SINK__BATCH__LINGER'"),
        ("RELAY__ECDP_SNK__DRAIN", "'RELAY__ECDP_SINK__...'"),
        ("RELAY__ECDP_SINK__MAX_IN_FLIGHT", "a whole number is wanted"),
        ("RELAY__ECDP_SINK__CONSUMES", "a list is wanted"),
        ("RELAY__ECDP_SINK__NAME", "unknown key"),
        ("RELAY__ECDP_SINK__OPTIONS", "unknown key"),
    ],
)
def test_a_wrong_override_is_named_by_its_whole_variable(folder: Path, variable: str, hint: str) -> None:
    (found,) = faults(folder, SHORT, {variable: "canary"})
    assert found.startswith(f"{variable}: ")
    assert hint in found
    assert "canary" not in found


@pytest.mark.parametrize(
    ("was", "becomes", "needle", "hint"),
    [
        ("linger: 20ms", "linger_ms: 20ms", "linger_ms", "did you mean 'linger'?"),
        ("linger: 20ms", "linger: 20", "linger: 20", "a duration is wanted"),
        ("drain: 30s", "drian: 30s", "drian", "did you mean 'drain'?"),
        ("drain: 30s", "linger: 30s", "linger: 30s", "did you mean 'batch.linger'?"),
        ("drain: 30s", "name: x", "name: x", "unknown key 'name'"),
        ("drain: 30s", "options: {}", "options: {}", "unknown key 'options'"),
        ("session: 45s", "session: 0s", "session: 0s", "session: 1s to 30m is wanted"),
        ("session: 45s", "session: 2h", "session: 2h", "session: 1s to 30m is wanted"),
        ("mode: AddOrReplace", "mode: addorreplace", "mode: addorreplace", "'AddOrReplace'"),
        ("time_zone: event", "time_zone: local", "time_zone: local", "'utc'"),
        ("max_in_flight: 64", "max_in_flight: 0", "max_in_flight: 0", "more than 0 is wanted"),
        ("max_in_flight: 64", "max_in_flight: true", "max_in_flight: true", "a whole number is wanted"),
        ("max_in_flight: 64", "max_in_flight: 20000", "max_in_flight: 20000", "max_unfinished"),
        ("max_unfinished_bytes: 48MiB", "max_unfinished_bytes: 48MB", "max_unfinished_bytes: 48MB", "a size is wanted"),
        ("first: 200ms", "first: 40s", "first: 40s", "retry.max"),
        ("retry: {", "retry: 5s  # {", "retry: 5s", "a block of keys is wanted"),
        ("credentials: ECDP", "credentials: ecdp", "credentials: ecdp", "capitals"),
        ("vendor: ecdp", "vendor: ecpd", "vendor: ecpd", "did you mean 'ecdp'?"),
        ("vendor: ecdp", "# no vendor", "ecdp-sink:\n", "key 'vendor' is missing"),
        ("[order-created, order-status]", "[order-created, order-statuss]", "order-statuss]", "'order-status'"),
        ("[order-created, order-status]", "[]", "consumes: []", "at least one is wanted"),
        ("[order-created, order-status]", "order-created", "consumes: order-created", "a list is wanted"),
        ("[order-created, order-status]", "[order-created, order-created]", "consumes:", "each topic once"),
        ("parks: ecdp-parked", "parks: order-status", "parks: order-status", "does not consume"),
        ("schemas/order-status.avsc", "schemas/order-statu.avsc", "schema: schemas/order-statu.", "no such file"),
        ("retention.ms: -1", "retention.ms: 5", "retention.ms: 5", "-1 is wanted"),
        ("max.message.bytes: 1114124", "max.message.bytes: 1114123", "max.message.bytes: 1114123", "1114124"),
        ("cleanup.policy: compact", "cleanup.policy: delete", "cleanup.policy: delete", "compact is wanted"),
        ("version: 1", "version: 2", "version: 2", "'version: 1' is wanted"),
        ("\nworkers:", "\nworker:", "worker:\n", "did you mean 'workers'?"),
    ],
)
def test_a_fault_has_its_place_and_the_value_wanted(
    folder: Path, was: str, becomes: str, needle: str, hint: str
) -> None:
    assert was in TEXT
    text = TEXT.replace(was, becomes)
    found = faults(folder, text)
    assert any(fault.startswith(f"{place(text, needle)}: ") and hint in fault for fault in found), found


def test_the_sinks_topics_have_equal_partition_counts_parked_ones_too(folder: Path) -> None:
    """With unequal counts one process would not see both sides of an order."""
    for topic in ("order-status", "ecdp-parked:", "ecdp-parked-state"):
        start = TEXT.index(f"  {topic}")
        text = TEXT[:start] + TEXT[start:].replace("partitions: 12", "partitions: 6", 1)
        (found,) = faults(folder, text)
        assert "12 is wanted, as many as 'order-created'" in found


def test_more_in_sync_than_replicas_is_refused(folder: Path) -> None:
    found = faults(folder, TEXT.replace("min.insync.replicas: 2 ", "min.insync.replicas: 4 "))
    assert any("1 to 3 is wanted" in fault for fault in found)


def test_merged_topics_need_the_brokers_clock(folder: Path) -> None:
    found = faults(folder, TEXT.replace("message.timestamp.type: LogAppendTime", "message.timestamp.type: CreateTime"))
    assert len(found) == 2
    assert all("LogAppendTime is wanted" in fault for fault in found)


def test_a_schema_that_is_none_is_a_fault_of_the_topic(folder: Path) -> None:
    (folder / "schemas/order-status.avsc").write_text("{")
    (found,) = faults(folder, TEXT)
    assert "not JSON" in found


def test_two_sinks_cannot_share_their_parked_orders(folder: Path) -> None:
    second = "  ecdp-east: {vendor: ecdp, consumes: [order-created], parks: ecdp-parked, credentials: ECDP_EAST}\n"
    (found,) = faults(folder, TEXT + second)
    assert "already that of ecdp-sink" in found


def test_a_worker_whose_vendor_has_no_such_side_is_told_plainly(folder: Path) -> None:
    (found,) = faults(folder, TEXT + "  ecdp-poller: {vendor: ecdp, publishes: [x], state: y, every: 60s}\n")
    assert "this relay has no poller for ECDP" in found


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("version: 1\n  topics: {}\n", 2, "indentation"),
        ("version: 1\nversion: 1\n", 2, '"version" stands here twice'),
        ("version: [1\n", 2, "indentation"),
        ("- a\n", 1, "a map with"),
        ("", 1, "a map with"),
        ("a: \x01\n", 1, "YAML"),
        ("topics: {a: }\nversion: 1\nworkers: 3\n", 1, "a block of keys is wanted under 'a'"),
    ],
)
def test_what_is_no_yaml_map_has_a_place(folder: Path, text: str, line: int, hint: str) -> None:
    found = faults(folder, text)
    assert any(fault.startswith(f"topics.yaml:{line}:") and hint in fault for fault in found), found


def test_a_missing_file_says_how_to_name_another(folder: Path) -> None:
    with pytest.raises(ConfigError, match="RELAY_TOPOLOGY"):
        load_topology(folder / "nowhere.yaml", {})
