"""`relay vendor`: the commands of the vendors' folders. A quote creates nothing; a delete says who and why."""

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from workers.devkit.simulators import SECRET, SimulatorOptions
from workers.devkit.simulators.ecdp import EcdpSimulator, Kept
from workers.devkit.simulators.ecdp import simulator as new_ecdp
from workers.devkit.simulators.ecourier import EcourierSimulator
from workers.devkit.simulators.ecourier import simulator as new_simulator
from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.komet import simulator as new_komet

ROOT = Path(__file__).parents[2]
QUOTE = ("vendor", "ecourier", "quote")
DELETE = ("vendor", "ecdp", "delete")
SINK = """
  {name}:
    vendor: ecourier
    consumes: [order-created, order-status]
    parks: {name}-parked
    credentials: ECOURIER
"""
TOPIC = """
  {name}:
    partitions: 12
    replication_factor: 3
    config: {{{config}, min.insync.replicas: 2, max.message.bytes: 1114124}}
"""
PLACE = {"city": "Orlando", "postal_code": "32804"}
EVENT: dict[str, Any] = {
    "event_id": "e1",
    "occurred_at": "2026-11-22T10:00:00Z",
    "order": {
        "order_id": "A-1",
        "placed_at": "2026-11-22T10:00:00Z",
        "total_value": "150.00",
        "customer": {},
        "lines": [],
        "delivery": {
            "service": "Route",
            "pieces": [{"sequence": 1, "reference": "BOX"}],
            "stops": [{"sequence": 1, "type": "pickup", **PLACE}, {"sequence": 2, "type": "destination", **PLACE}],
        },
    },
}


@contextmanager
def serving(simulator: Any) -> Iterator[Any]:
    """The simulator, in its own thread: the command runs an event loop in this one."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(simulator.start())
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        yield simulator
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.fixture
def ecourier() -> Iterator[EcourierSimulator]:
    with serving(new_simulator(SimulatorOptions(faults=Faults()))) as simulator:
        yield simulator


@pytest.fixture
def ecdp(monkeypatch: pytest.MonkeyPatch) -> Iterator[EcdpSimulator]:
    """The simulated ECDP with one order, and the repository's topics.yaml."""
    with serving(new_ecdp(SimulatorOptions())) as simulator:
        simulator.ledger.kept["A-1"] = Kept(b"{}", "paid")
        monkeypatch.chdir(ROOT)
        monkeypatch.setenv("ECDP_BASE_URL", simulator.server.base_url)
        monkeypatch.setenv("ECDP_API_KEY", SECRET)
        yield simulator


@pytest.fixture
def folder(tmp_path: Path, ecourier: EcourierSimulator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an e-Courier sink."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    write_config(tmp_path, "quote-sink")
    monkeypatch.chdir(tmp_path)
    base = f"{ecourier.server.base_url}/example/software/xml/ecJsonPost.asmx"
    for name, value in {"BASE_URL": base, "WEBSITE": "x", "USERNAME": "y", "PASSWORD": "demo-key"}.items():
        monkeypatch.setenv(f"ECOURIER_{name}", value)
    monkeypatch.setenv("ECOURIER_CUSTOMER_CODE", "Alpha")
    (tmp_path / "order.json").write_text(json.dumps(EVENT, indent=2))
    return tmp_path


def write_config(folder: Path, *names: str) -> None:
    """topics.yaml as in the repository, its e-Courier sinks replaced by those named."""
    text = (ROOT / "topics.yaml").read_text()
    head, workers = text.split("\nworkers:\n")
    own = [block for block in workers.split("\n\n") if "vendor: ecourier" not in block]
    topics = ""
    for name in names:
        topics += TOPIC.format(name=f"{name}-parked", config="retention.ms: -1, retention.bytes: -1")
        topics += TOPIC.format(name=f"{name}-parked-state", config="cleanup.policy: compact")
        receipts = TOPIC.format(name=f"{name}-receipts", config="cleanup.policy: delete")
        topics += receipts.replace("config:", "schema: schemas/ecourier-receipts.avsc\n    config:")
    if names and "ecourier-tracked-orders:" not in head:
        topics += TOPIC.format(name="ecourier-tracked-orders", config="cleanup.policy: compact")
    sinks = "".join(SINK.format(name=name) for name in names)
    (folder / "topics.yaml").write_text(f"{head}{topics}\nworkers:\n{chr(10).join(own)}{sinks}")


def test_a_quote_is_a_table_and_creates_no_order(folder: Path, relay: Any, ecourier: EcourierSimulator) -> None:
    ran = relay(*QUOTE, "order.json")
    assert (ran.status, ran.err) == (0, "")
    rows = {
        line.split()[0]: line.split(maxsplit=1)[1].strip() for line in ran.out.splitlines() if len(line.split()) > 1
    }
    assert ran.out.splitlines()[1].split() == ["AmountCharged", "$32.50"], "the price comes first"
    assert (rows["AmountCharged"], rows["Service"], rows["Stops.Stop[2].City"]) == ("$32.50", "Route", "Orlando")
    assert ecourier.ledger.orders() == {}


def test_the_former_name_still_works_and_names_the_new_one(folder: Path, relay: Any) -> None:
    ran, now = relay("quote", "order.json", "--sink", "quote-sink"), relay(*QUOTE, "order.json")
    assert (ran.status, ran.out) == (0, now.out)
    assert (
        ran.err == "relay: `relay quote` is now `relay vendor ecourier quote`; the next release has only the new name\n"
    )


def test_without_a_file_the_order_comes_from_standard_input(
    folder: Path, relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "order.json").open() as order:
        monkeypatch.setattr("sys.stdin", order)
        assert relay(*QUOTE, "--json").json["AmountCharged"] == "$32.50"


def test_json_has_the_whole_answer(folder: Path, relay: Any) -> None:
    answer = relay(*QUOTE, "order.json", "--json").json
    assert next(iter(answer)) == "AmountCharged"
    assert answer["Pieces"]["Piece"][0]["Reference"] == "BOX"


def quote_of(folder: Path, relay: Any, text: str) -> Any:
    (folder / "order.json").write_text(text)
    return relay(*QUOTE, "order.json")


def test_an_order_that_cannot_be_quoted_is_one_line(folder: Path, relay: Any) -> None:
    order = EVENT["order"]
    for text, says in (
        ("{", "relay: order.json: not one JSON object"),
        (json.dumps(EVENT | {"odd": 1}), "relay: order.json: odd: no such field"),
        (json.dumps(EVENT | {"order": order | {"delivery": None}}), "relay: there is nothing to quote: no delivery"),
        (
            json.dumps(EVENT | {"order": order | {"delivery": order["delivery"] | {"stops": []}}}),
            "relay: e-Courier does not quote this order: delivery.stops: must hold",
        ),
        (
            json.dumps(EVENT | {"order": order | {"delivery": order["delivery"] | {"service": ""}}}),
            "relay: e-Courier does not quote this order: HTTP 500, status -4: Service is required",
        ),
    ):
        ran = quote_of(folder, relay, text)
        assert ran.status == 1
        assert ran.err.startswith(says)
        assert ran.err.count("\n") == 1


def test_a_failed_login_names_the_variables_to_check(folder: Path, relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOURIER_PASSWORD", "wrong-canary")
    ran = relay(*QUOTE, "order.json")
    assert ran.status == 1
    assert "are ECOURIER_WEBSITE, ECOURIER_USERNAME and ECOURIER_PASSWORD right?" in ran.err
    assert "canary" not in ran.err


def test_a_vendor_that_cannot_be_reached_is_one_line(folder: Path, relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOURIER_BASE_URL", "http://127.0.0.1:1/ecJsonPost.asmx")
    ran = relay(*QUOTE, "order.json")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith("relay: e-Courier: login: cannot connect to 127.0.0.1:1 ")


def test_sink_must_be_named_when_there_are_several(folder: Path, relay: Any) -> None:
    write_config(folder)
    assert relay(*QUOTE, "order.json").status == 2
    write_config(folder, "first-sink", "second-sink")
    ran = relay(*QUOTE, "order.json")
    assert (ran.status, "first-sink or second-sink" in ran.err) == (2, True)
    assert relay(*QUOTE, "order.json", "--worker", "third").status == 2
    assert relay(*QUOTE, "order.json", "--worker", "second-sink").status == 0


def lines_of(err: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in err.splitlines() if line.startswith("{")]


def test_a_delete_marks_the_order_and_logs_who_and_why(ecdp: EcdpSimulator, relay: Any) -> None:
    ran = relay(*DELETE, "A-1", "--yes", "--why", "test order", "--by", "ops")
    assert (ran.status, ran.out.splitlines()[1].split(maxsplit=1)) == (0, ["A-1", "marked as deleted (IsDeleted)"])
    assert ecdp.ledger.kept["A-1"].status == "IsDeleted"
    asked, ended = lines_of(ran.err)
    assert (asked["action"], asked["order_id"], asked["by"], asked["why"]) == (
        "vendor_command",
        "A-1",
        "ops",
        "test order",
    )
    assert (ended["action"], ended["outcome"]) == ("vendor_command_ended", "done")
    again = relay(*DELETE, "A-1", "--yes", "--why", "x", "--json")
    assert again.json == {"order_id": "A-1", "deleted": True, "http_status": 200}


def test_a_delete_that_is_refused_is_one_line_and_is_logged(ecdp: EcdpSimulator, relay: Any) -> None:
    for order_id, says, outcome in (
        ("B-2", "relay: ECDP has no such order: HTTP 404: Not Found", "unknownorder"),
        ("..", "relay: ECDP does not delete this order: order_id: must not be . or .., which", "rejected"),
    ):
        ran = relay(*DELETE, order_id, "--yes", "--why", "x")
        assert (ran.status, ran.err.splitlines()[-1].startswith(says)) == (1, True)
        assert lines_of(ran.err)[-1]["outcome"] == outcome


@pytest.mark.parametrize("given", [["A-1", "--yes"], ["A-1", "--why", "x"], ["A-1", "--yes", "--why", " "]])
def test_a_delete_needs_a_reason_and_a_yes(given: list[str], ecdp: EcdpSimulator, relay: Any) -> None:
    ran = relay(*DELETE, *given)
    assert (ran.status, ran.out) == (2, "")
    assert ecdp.ledger.kept["A-1"].status == "paid"


def test_a_read_of_an_account_needs_no_worker_named_and_its_table_is_komets(
    relay: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uncounted = (ROOT / "topics.yaml").read_text().replace("budget: {requests: 1000, per: 24h}", "budget: null")
    (tmp_path / "topics.yaml").write_text(uncounted)  # requests are counted in Kafka
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    with serving(new_komet(SimulatorOptions())) as simulator:
        monkeypatch.chdir(tmp_path)
        variables = {"BASE_URL": f"{simulator.server.base_url}/api", "TOKEN": SECRET, "CUSTOMER_ID": "12"}
        for name, value in variables.items():
            monkeypatch.setenv(f"KOMET_{name}", value)
        ran = relay("vendor", "komet", "customer")
    assert (ran.status, ran.err) == (0, "")
    assert "Sample Florist" in ran.out
