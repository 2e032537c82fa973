"""Personal data and secrets stay where they belong, whatever publishers send and vendors echo: 0 hits elsewhere."""

import html
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from tests.support.kafka_side import COMPACT, NOW
from tests.support.poller_process import PLAIN
from tests.support.relay_process import HTTP, Processes, Relay
from tests.support.sink_process import Rig, fresh
from tests.support.topics import Topic, codec_of, create, write_config
from tests.support.vendor import KEY, Vendor
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig
from workers.devkit.broker.broker import Broker
from workers.devkit.simulators import poller_side
from workers.devkit.simulators.server import Answer, Received

pytestmark = pytest.mark.broker

CANARIES = (
    "canary.ümlaut+91@personal.example",
    "+49 555 0199 canary",
    "Canary Mug for Ada Lovelace",
    "CANARY-COUPON-77/B",
)
ECHOES: dict[str, Callable[[str], str]] = {
    "as-it-is": str,
    "in-capitals": str.upper,
    "percent": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "json": json.dumps,
    "html": html.escape,
    "base64": lambda text: b64encode(text.encode()).decode(),
}
PRICE = (12_500).to_bytes(4, "big")
SAID = " ".join((*CANARIES, KEY))
QUICK = {"retry": {"first": "20ms", "max": "50ms"}}
OWN: dict[str, dict[str, str]] = {
    "ecdp": {"BATCH__MAX_ORDERS": "1"},
    "ecourier": {},
    "komet": {"BUDGET__REQUESTS": "100000"},
}
POLLERS: dict[str, dict[str, Any]] = {
    "dcl": {"every": "100ms", "settle_lag": "2s", "lookback": "1h"},
    "ecourier": {"every": "100ms", "slower": []},
    "e2cc": {"sets": {name: {"every": "100ms"} for name in ("orders", "invoices", "inventories")}},
    "komet": {
        "sets": {name: {"every": "100ms"} for name in ("invoices", "web_orders", "inventory", "customer")},
        "budget": {"requests": 1_000_000},
    },
}
PUBLISHED = ("order-stage-changed", "invoice-changed", "inventory-changed", "credit-changed")


def said(text: str) -> bytes:
    """A vendor's error with this text, wherever one of the vendors has its words."""
    words = ("title", "detail", "message", "error", "error_message", "statusdescription")
    return json.dumps(dict.fromkeys(words, text) | {"errors": [text], "error_code": 7}).encode()


FAILURES = {
    **{f"{name}-{status}": Answer(status, said(echo(SAID))) for name, echo in ECHOES.items() for status in (400, 500)},
    **{f"{status}": Answer(status, said(SAID)) for status in (401, 403, 404, 409, 503)},
    "throttled": Answer(429, said(SAID), retry_after_s=0.05),
    "moved": Answer(302, SAID.encode(), "text/html"),
    "page": Answer(200, f"<html>{SAID}</html>".encode(), f"text/html; title={CANARIES[3]}"),
    "cut-off": Answer(200, said(SAID)[:-3]),
    "refused-200": Answer(200, json.dumps(json.loads(said(SAID)) | {"status": 0}).encode()),
    "list": Answer(200, json.dumps([SAID, {"orders": [{"order_number": SAID}]}]).encode()),
}
DENYING = ("401", "403", "404", "moved")  # all orders wait after such an answer
FOR_EVER = {"as-it-is-500", *DENYING}  # the others fail once


class Collector(BaseHTTPRequestHandler):
    """Keeps what is sent by OTLP."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.path.encode() + self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[tuple[dict[str, str], list[bytes]]]:
    """The variables that lead a worker there, and what it has sent."""

    class Ours(Collector):
        bodies: list[bytes] = []  # noqa: RUF012 - of this test's collector

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ours)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_METRIC_EXPORT_INTERVAL": "500", "RELAY_LOG_LEVEL": "debug"},
        Ours.bodies,
    )
    server.shutdown()
    server.server_close()
    thread.join()


class Echo:
    """A vendor that fails in every way, one after the other, and says all that it knows each time."""

    def __init__(self) -> None:
        self.left = dict(FAILURES)  # that did not happen yet
        self.requests = count()
        self.is_denying = False

    def to_sink(self, request: Received, vendor: Callable[[], Answer]) -> Answer:
        """The orders of `FAILURES` meet their failure, and are taken afterwards but for those of `FOR_EVER`."""
        text = request.query + request.body.decode()
        name = next((name for name in FAILURES if failing(name) in text), None)
        if name is None:
            return vendor()
        is_first = self.left.pop(name, None) is not None
        return FAILURES[name] if is_first or name in FOR_EVER else vendor()

    def to_poller(self, _: Received, vendor: Callable[[], Answer]) -> Answer:
        """Every other answer is one of the vendor's own with personal data in it, or one that has nothing else."""
        turn, left = next(self.requests), [name for name in self.left if name not in DENYING]
        if left and turn % 3 == 0:
            return self.left.pop(left[0])
        if not left:
            self.is_denying = True
            return FAILURES[DENYING[turn % len(DENYING)]]
        answer = vendor()
        try:
            rows = json.loads(answer.body)
        except ValueError:  # a login's page
            return answer
        return answer._replace(body=json.dumps(personal(rows, everywhere=turn % 3 == 2)).encode())


def personal(value: Any, *, everywhere: bool) -> Any:
    """A vendor's answer about a person; ``everywhere``: nothing else can be read in it."""
    if isinstance(value, list):
        return [personal(one, everywhere=everywhere) for one in value]
    if isinstance(value, dict):
        email, phone, name, _ = CANARIES
        more = {"customerName": name, "shipTo": {"email": email}, "phone": phone}
        return {key: personal(one, everywhere=everywhere) for key, one in value.items()} | more
    return SAID if everywhere else value


def failing(name: str) -> str:
    """The id of the order that fails so; Komet takes no longer one."""
    return f"bad-{[*FAILURES].index(name):02}"


def order() -> dict[str, Any]:
    """An order's content, personal in every field that can be."""
    email, phone, product, coupon = CANARIES
    line = {"product_id": "7001", "name": product, "category": coupon, "unit_price": PRICE, "quantity": 1}
    return {"customer": {"email": email, "phone": phone}, "lines": [line]}


def publish(rig: Rig) -> None:
    for name in FAILURES.keys() - set(DENYING):
        rig.kafka.create(failing(name), **order())
        rig.kafka.create(failing(name).replace("bad", "fine"), **order())
    rig.kafka.create("invalid", **order(), currency="EURO")
    rig.kafka.send(rig.kafka.created, "undecodable", rig.kafka.order("undecodable", **order())[:-3])
    rig.kafka.flush()


def shown(url: str) -> dict[str, bytes]:
    """Everything that more people read than the records."""
    paths = ("/status", "/status/waiting", "/metrics", "/readyz", "/")
    return {path: HTTP.get(f"{url}{path}").content for path in paths}


def forms(canary: str) -> set[bytes]:
    """Lower case; in base64 without the ends, which depend on what comes before and after."""
    plain = {canary, quote(canary), quote(canary, safe=""), quote_plus(canary), html.escape(canary)}
    escaped = json.dumps(canary)[1:-1]
    aligned = {b64encode(b"\0" * before + canary.encode()).decode()[4:-4] for before in range(3)}
    return {form.lower().encode() for form in plain | {escaped} | aligned}


def hits(relay: Relay, sent: list[bytes], found: dict[str, bytes]) -> set[tuple[str, bytes]]:
    """What is found of the canaries after the worker's end, and where."""
    relay.stop()
    found |= {"log": relay.text.encode(), "by OTLP": b"\n".join(sent)}
    assert b"/v1/traces" in found["by OTLP"], "no span was exported"
    assert b"/v1/metrics" in found["by OTLP"], "no number was exported"
    canaries = set(chain.from_iterable(map(forms, (*CANARIES, KEY))))
    return {(place, form) for place, text in found.items() for form in canaries if form in text.lower()}


@pytest.mark.parametrize("vendor", OWN)
def test_no_canary_leaves_a_sink_by_log_status_metrics_spans_or_parked_headers(
    vendor: str, make_rig: MakeRig, collector: tuple[dict[str, str], list[bytes]]
) -> None:
    pauses = {"RETRY__FIRST": "50ms", "RETRY__MAX": "100ms", "RETRY__GIVE_UP_AFTER": "1s", "SUSPECT_AFTER": "1000"}
    rig, echo = make_rig(1, vendor=vendor, **pauses, **OWN[vendor]), Echo()
    rig.vendor.answer_by(echo.to_sink)
    environ, sent = collector
    relay = rig.start(**{name.lower(): value for name, value in environ.items()}).joined()
    publish(rig)
    wait_for(lambda: echo.left.keys() == set(DENYING), f"a vendor has not failed in every way: {echo}")
    relay.wait(lambda status: status["parked_total"] > len(ECHOES), "what is refused was not parked")
    for name in DENYING:
        rig.kafka.create(failing(name), **order())
    rig.kafka.flush()
    relay.wait(lambda status: status["gate"]["reason"] == "denied", "the gate does not show that the key is refused")
    headers = [header for record in rig.kafka.all_parked() for header in record.headers]
    parked = {"headers of parked records": b"\n".join(value or b"" for _, value in headers)}
    assert hits(relay, sent, shown(relay.url) | parked) == set()


def test_no_canary_leaves_a_poller_by_log_status_metrics_or_spans(
    broker: Broker, tmp_path: Path, collector: tuple[dict[str, str], list[bytes]]
) -> None:
    environ, sent = collector
    echoes, mark = {vendor: Echo() for vendor in POLLERS}, fresh("c")
    vendors = {name: Vendor(name, changes=20) for name in POLLERS}
    variables = environ | dict(chain.from_iterable(_variables(one).items() for one in vendors.values()))
    for name, one in vendors.items():
        one.answer_by(echoes[name].to_poller)
    processes = Processes(broker.bootstrap, tmp_path, variables)
    try:
        prepare(broker, tmp_path, mark)
        relay = processes.run(*(f"{name}-{mark}" for name in POLLERS)).joined()
        wait_for(
            lambda: all(echo.is_denying for echo in echoes.values()),
            "a vendor has not failed in every way",
        )
        relay.wait(
            lambda status: status["gate"]["reason"] == "denied", "the gate does not show that the key is refused"
        )
        assert hits(relay, sent, shown(relay.url)) == set()
    finally:
        processes.close()
        for one in vendors.values():
            one.stop()


def _variables(vendor: Vendor) -> dict[str, str]:
    wanted = {"BASE_URL": vendor.url, **poller_side(vendor.name).variables}
    return {f"{vendor.name.upper()}_{name}": value for name, value in wanted.items()}


def _worker(vendor: str, mark: str) -> dict[str, Any]:
    """Of a poller, without its own keys."""
    schemas = {"ecourier": ("order-stage-changed", "courier-order-event"), "dcl": PUBLISHED[:1], "e2cc": PUBLISHED[:3]}
    topics = {
        "publishes": [f"{one}-{mark}" for one in schemas.get(vendor, PUBLISHED)],
        "state": f"{vendor}-{mark}-state",
    }
    follows = {"follows": f"tracked-{mark}"} if vendor == "ecourier" else {}
    return {"vendor": vendor, "credentials": vendor.upper()} | topics | follows | QUICK


def prepare(broker: Broker, folder: Path, mark: str) -> None:
    """Write topics.yaml, create its topics, and track an order at e-Courier."""
    topics = {f"{schema}-{mark}": Topic(1, PLAIN, schema) for schema in (*PUBLISHED, "courier-order-event")}
    topics |= {f"{name}-{mark}-state": Topic(1, COMPACT, f"{name}-poll-state") for name in POLLERS}
    tracked = f"tracked-{mark}"
    topics[tracked] = Topic(1, COMPACT, "ecourier-tracked-orders")
    workers = {f"{name}-{mark}": _worker(name, mark) | keys for name, keys in POLLERS.items()}
    write_config(folder, topics, workers)
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    create(admin, topics)
    admin.close()
    row = {"order_number": "OR-1", "order_id": "1", "since": NOW, "canceled_at": None, "content_hash": "h"}
    value = codec_of({tracked: "ecourier-tracked-orders"}).encode(tracked, row | {"traceparent": None})
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap)) as producer:
        producer.send(tracked, key=b"OR-1", value=value).get(10)
