"""`relay vendor e2cc keys`: a secret goes to a file that only its owner reads, and nowhere else."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_vendor import serving
from workers.devkit.simulators import SECRET, SimulatorOptions
from workers.devkit.simulators.e2cc import E2ccSimulator
from workers.devkit.simulators.e2cc import simulator as new_simulator

ROOT = Path(__file__).parents[2]
KEYS = ("vendor", "e2cc", "keys")
TOPOLOGY = """
version: 1
topics:
  credit-changed: {schema: schemas/credit-changed.avsc, partitions: 1, replication_factor: 1}
  e2cc-poll-state:
    {schema: schemas/e2cc-poll-state.avsc, partitions: 1, replication_factor: 1, config: {cleanup.policy: compact}}
workers:
  e2cc-poller: {vendor: e2cc, publishes: [credit-changed], state: e2cc-poll-state, sets: {credits: {every: 15m}}}
"""


@pytest.fixture
def e2cc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[E2ccSimulator]:
    """The simulated E2CC, and a project with its poller in the working folder, whose key is in a mounted file."""
    with serving(new_simulator(SimulatorOptions())) as simulator:
        (tmp_path / "topics.yaml").write_text(TOPOLOGY)
        (tmp_path / "mounted").write_text(f"{SECRET}\n")
        shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("E2CC_BASE_URL", f"{simulator.server.base_url}/api")
        monkeypatch.setenv("E2CC_ACCESS_KEY_FILE", str(tmp_path / "mounted"))
        yield simulator


def secrets_of(e2cc: E2ccSimulator) -> list[str]:
    return [key.secret for key in e2cc.ledger.keys.keys]


def test_a_new_secret_is_in_its_file_and_not_on_the_screen(e2cc: E2ccSimulator, relay: Any, tmp_path: Path) -> None:
    ran = relay(*KEYS, "create", "--label", "nightly-sync", "--permission", "a", "--permission", "b",
                "--expires-in-days", "365")  # fmt: skip
    made = e2cc.ledger.keys.keys[-1]
    assert ran.status == 0
    assert (made.label, made.permissions, made.expires_in_days) == ("nightly-sync", ["a", "b"], 365)
    file = tmp_path / "e2cc-access-key"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{made.secret}\n", 0o600)
    assert made.secret not in ran.out + ran.err
    assert made.secret[:10] in ran.out
    asked = json.loads(ran.err.splitlines()[0])
    assert (asked["action"], asked["command"], asked["key_id"]) == ("vendor_command", "keys create", "nightly-sync")


def test_a_secret_is_shown_only_on_request(e2cc: E2ccSimulator, relay: Any) -> None:
    shown = relay(*KEYS, "create", "--out", "a", "--json").json
    assert shown["file"] == "a"
    assert "key" not in shown
    assert relay(*KEYS, "create", "--out", "b", "--show", "--json").json["key"] == secrets_of(e2cc)[-1]


def test_no_other_secret_is_overwritten_and_no_key_is_made_then(e2cc: E2ccSimulator, relay: Any) -> None:
    assert relay(*KEYS, "create").status == 0
    ran = relay(*KEYS, "create")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "e2cc-access-key exists" in ran.err
    assert relay(*KEYS, "create", "--out", "no/such/folder").status == 1
    assert len(secrets_of(e2cc)) == 2


def test_the_workers_own_key_is_rotated_in_its_mounted_file(e2cc: E2ccSimulator, relay: Any, tmp_path: Path) -> None:
    ran = relay(*KEYS, "rotate", "--out", "mounted", "--yes")
    assert ran.status == 0, ran.err
    [secret] = secrets_of(e2cc)
    assert secret != SECRET
    assert (tmp_path / "mounted").read_text() == f"{secret}\n"
    assert SECRET not in ran.out + ran.err
    assert secret[:10] in relay(*KEYS, "list").out, "the new key lists itself"


def test_keys_are_listed_revoked_and_deleted(e2cc: E2ccSimulator, relay: Any, tmp_path: Path) -> None:
    relay(*KEYS, "create", "--label", "other")
    other = e2cc.ledger.keys.keys[-1]
    listed = relay(*KEYS, "list", "--json").json["keys"]
    assert [key["label"] for key in listed] == ["demo", "other"]
    ran = relay(*KEYS, "revoke", other.secret[:10], "--yes")
    assert (ran.status, other.status) == (0, "revoked")
    assert "up to 5 minutes" in ran.out
    (tmp_path / "whole").write_text(other.secret)
    deleted = relay(*KEYS, "delete", "@whole", "--yes", "--json")
    assert deleted.json == {"key": f"{other.secret[:10]}...", "status": "deleted"}
    assert other.secret not in deleted.out + deleted.err
    assert secrets_of(e2cc) == [SECRET]


@pytest.mark.parametrize("command", ["rotate", "revoke", "delete"])
def test_without_a_terminal_a_key_is_taken_away_only_with_yes(e2cc: E2ccSimulator, relay: Any, command: str) -> None:
    ran = relay(*KEYS, command, SECRET[:10])
    assert (ran.status, ran.out) == (2, "")
    assert e2cc.ledger.keys.keys[0].status == "active"


def test_a_refusal_is_one_line_without_a_key(e2cc: E2ccSimulator, relay: Any, tmp_path: Path) -> None:
    ran = relay(*KEYS, "revoke", "canary-3f9a-whole", "--yes")
    assert ran.status == 1
    assert ran.err.splitlines()[-1].startswith("relay: E2CC has no such key: HTTP 404")
    assert "canary-3f9a-whole" not in ran.out + ran.err
    (tmp_path / "mounted").write_text("wrong-canary")
    ran = relay(*KEYS, "list")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "wrong-canary" not in ran.err
