"""Pollers in topics.yaml: their defaults, their rules, their places among the other workers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.ecdp_only import WHOLE
from workers.app.config_errors import ConfigError
from workers.app.topology import PollerSpec, Topology
from workers.app.topology_load import load_topology

ROOT = Path(__file__).parents[2]
SHORT = """version: 1
topics:
  order-stage-changed: {schema: schemas/order-stage-changed.avsc, partitions: 3}
  dcl-poll-state: {schema: schemas/dcl-poll-state.avsc, partitions: 1, config: {cleanup.policy: compact}}
workers:
  dcl-poller:
    vendor: dcl
    publishes: [order-stage-changed]
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
