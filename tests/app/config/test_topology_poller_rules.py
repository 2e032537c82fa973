"""Pollers in topics.yaml: their defaults, their rules, their places among the other workers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.ecdp_only import WHOLE
from workers.app.config.errors import ConfigError
from workers.app.config.topology import PollerSpec, Topology
from workers.app.config.topology_load import load_topology

ROOT = Path(__file__).parents[3]
SHORT = """version: 1
topics:
  order-stage-changed: {schema: schemas/order-stage-changed.avsc, partitions: 3}
  dcl-poll-state: {schema: schemas/dcl-poll-state.avsc, partitions: 1, config: {cleanup.policy: compact}}
workers:
  dcl-poller:
    vendor: dcl
    publishes: [order-stage-changed]
"""

ORDERS = """version: 1
topics:
  order-stage-changed: {schema: schemas/order-stage-changed.avsc, partitions: 3}
  courier-order-event: {schema: schemas/courier-order-event.avsc, partitions: 3}
  ecourier-poll-state: {schema: schemas/ecourier-poll-state.avsc, partitions: 4, config: {cleanup.policy: compact}}
  ecourier-tracked-orders:
    {schema: schemas/ecourier-tracked-orders.avsc, partitions: 4, config: {cleanup.policy: compact}}
workers:
  ecourier-poller:
    vendor: ecourier
    publishes: [order-stage-changed, courier-order-event]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Topology:
    file = folder / "topics.yaml"
    file.write_text(text)
    return load_topology(file, environ or {})


def faults(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return "\n".join(str(fault) for fault in caught.value.faults)


def test_the_repositorys_own_poller_says_what_the_defaults_say(folder: Path) -> None:
    written, left_out = load(folder, WHOLE).pollers["dcl-poller"], load(folder, SHORT).pollers["dcl-poller"]
    assert written == left_out
    assert isinstance(written, PollerSpec)
    assert (written.state, written.group, written.transactional_id(0)) == (
        "dcl-poll-state",
        "relay.dcl-poller",
        "dcl-poller-0",
    )
    assert (written.every, written.settle_lag, written.lookback) == (60, 300, 7 * 86_400)


def test_the_environment_overrides_a_pollers_values_too(folder: Path) -> None:
    environ = {"RELAY__DCL_POLLER__EVERY": "1s", "RELAY__DCL_POLLER__ORDER_ID_FROM": "po_number"}
    poller = load(folder, SHORT, environ).pollers["dcl-poller"]
    assert (poller.every, poller.options.order_id_from) == (1.0, "po_number")


@pytest.mark.parametrize(
    ("was", "becomes", "wanted"),
    [
        ("cleanup.policy: compact", "cleanup.policy: delete", "compact is wanted"),
        ("partitions: 1", "partitions: 2", "1 is wanted, one for each account"),
        ("    vendor: dcl\n", "    vendor: dcl\n    accounts: [A1, A2]\n", "2 is wanted, one for each account"),
        ("[order-stage-changed]", "[order-stage-change]", "did you mean 'order-stage-changed'?"),
        ("[order-stage-changed]", "[order-stage-changed]\n    evry: 1s", "did you mean 'every'?"),
        ("[order-stage-changed]", "[order-stage-changed]\n    rest: 401d", "more than rest is wanted"),
        ("[order-stage-changed]", "[order-stage-changed]\n    page_size: 101", "page_size"),
        ("  dcl-poller:", "  DclPoller:", "a worker's name is small letters"),
    ],
)
def test_a_fault_says_what_is_wanted(folder: Path, was: str, becomes: str, wanted: str) -> None:
    assert was in SHORT
    assert wanted in faults(folder, SHORT.replace(was, becomes))


def test_two_pollers_cannot_share_their_memory(folder: Path) -> None:
    second = "  dcl-two: {vendor: dcl, publishes: [order-stage-changed], state: dcl-poll-state}\n"
    assert "is already that of dcl-poller" in faults(folder, SHORT + second)


def test_the_repositorys_own_order_poller_says_what_the_defaults_say(folder: Path) -> None:
    written, left_out = load(folder, WHOLE).pollers["ecourier-poller"], load(folder, ORDERS).pollers["ecourier-poller"]
    assert written == left_out
    assert written.topics == ("ecourier-poll-state", "ecourier-tracked-orders")
    assert (written.every, written.grace, written.give_up_after) == (30, 86_400, 60 * 86_400)
    assert [(line.quiet_for, line.every, line.status) for line in written.slower] == [
        (600, 60, None),
        (600, 120, "A"),
        (172_800, 900, None),
    ]


def test_the_environment_overrides_an_order_pollers_values_too(folder: Path) -> None:
    environ = {"RELAY__ECOURIER_POLLER__EVERY": "1s", "RELAY__ECOURIER_POLLER__GRACE": "5s"}
    poller = load(folder, ORDERS, environ).pollers["ecourier-poller"]
    assert (poller.every, poller.grace, len(poller.slower)) == (1.0, 5.0, 3)


@pytest.mark.parametrize(
    ("key", "value"),
    [("SLOWER", "[{quiet_for: 1m, evry: 2m}]"), ("SLOWER", "[{quiet_for: x, every: 2m}]"), ("RETRY", "{first: x}")],
)
def test_a_fault_inside_an_overridden_value_is_at_its_variable_not_in_the_file(
    folder: Path, key: str, value: str
) -> None:
    variable = f"RELAY__ECOURIER_POLLER__{key}"
    with pytest.raises(ConfigError) as raised:
        load(folder, ORDERS, {variable: value})
    assert {fault.place for fault in raised.value.faults} == {variable}


@pytest.mark.parametrize(
    ("was", "becomes", "wanted"),
    [
        (
            "event]",
            "event]\n    settle_lag: 5m",
            "settle_lag: not for ecourier-poller, which looks at orders one by one",
        ),
        ("event]", "event]\n    look_again: {every: 1h}", "look_again: not for ecourier-poller"),
        (", courier-order-event]", "]", "publishes: a topic of CourierOrderEvent is wanted too"),
        ("courier-order-event]", "ecourier-poll-state]", "'ecourier-poll-state' holds PollState"),
        ("event]", "event]\n    follows: tracked", "no topic 'tracked' under topics"),
        ("event]", "event]\n    progress: {N: recieved}", "progress.N"),
        ("event]", "event]\n    slower: [{quiet_for: 1h}]", "'every' is missing"),
        ("event]", "event]\n    gracee: 1h", "did you mean 'grace'?"),
        ("avsc, partitions: 4, config: {cleanup.policy: compact}}\nw", "avsc, partitions: 4}\nw", "compact is wanted"),
        (
            "avsc, partitions: 4, config: {cleanup.policy: compact}}\n  e",
            "avsc, partitions: 4}\n  e",
            "compact is wanted",
        ),
        (
            "poll-state.avsc, partitions: 4",
            "poll-state.avsc, partitions: 3",
            "4 is wanted, as many as 'ecourier-tracked",
        ),
    ],
)
def test_a_fault_of_an_order_poller_says_what_is_wanted(folder: Path, was: str, becomes: str, wanted: str) -> None:
    assert was in ORDERS
    assert wanted in faults(folder, ORDERS.replace(was, becomes))


@pytest.mark.parametrize("key", ["follows: dcl-poll-state", "grace: 1d", "slower: []", "give_up_after: 1d"])
def test_a_key_of_an_order_poller_is_refused_for_one_that_reads_stretches_of_time(folder: Path, key: str) -> None:
    name = key.partition(":")[0]
    found = faults(folder, f"{SHORT}    {key}\n")
    assert f"{name}: not for dcl-poller, which reads what has changed in a stretch of time; take it out" in found


def test_orders_that_the_sink_tracks_elsewhere_would_never_be_looked_at(folder: Path) -> None:
    assert "    follows: ecourier-tracked-orders" in WHOLE
    elsewhere = WHOLE.replace("    follows: ecourier-tracked-orders", "    follows: ecourier-parked-state")
    assert "no sink of ecourier tracks its orders there, but in ecourier-tracked-orders" in faults(folder, elsewhere)
