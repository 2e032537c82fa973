"""Whatever a publisher sends: parked with its reason, or skipped, or delivered; the worker lives, the next one goes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.kafka_side import KafkaSide, header
from tests.support.sink_process import Rig, fresh, open_rig
from workers.devkit.broker.broker import Broker
from workers.edges.kafka.client_patches.batches import HeaderKey, producer_headers

pytestmark = pytest.mark.broker

MONEY = (150_000).to_bytes(4, "big")
FINGERPRINT_END = 10


def order(order_id: str, **changes: Any) -> Callable[[KafkaSide], bytes]:
    return lambda kafka: kafka.order(order_id, **changes)


def line(**changes: Any) -> list[dict[str, Any]]:
    return [{"product_id": "p", "name": "n", "unit_price": MONEY, "quantity": 1} | changes]


def raw(value: bytes | None) -> Callable[[KafkaSide], bytes | None]:
    return lambda _: value


ODD = "a header key of the bytes ff fe"


@dataclass(frozen=True)
class Case:
    value: Callable[[Any], bytes | None]
    end: str  # a reason of parking, "skipped", or "delivered"
    detail: str = ""
    key: bytes | None = b"own"  # own: the case's own order id
    headers: tuple[tuple[str, bytes | None], ...] = ()
    topic: str = "created"


CASES = {
    "tombstone": Case(raw(None), "skipped"),
    "no bytes": Case(raw(b""), "undecodable"),
    "one byte": Case(raw(b"\x00"), "undecodable", "cut short"),
    "json": Case(raw(b'{"order_id": "1"}'), "undecodable", "begins neither"),
    "unknown fingerprint": Case(raw(b"\xc3\x01" + b"12345678" + b"x"), "undecodable", "fingerprint"),
    "registry framing without a registry": Case(raw(b"\x00\x00\x00\x00\x07abc"), "undecodable", "SCHEMA_REGISTRY_URL"),
    "header only": Case(lambda kafka: kafka.order("x")[:FINGERPRINT_END], "undecodable"),
    "truncated": Case(lambda kafka: kafka.order("truncated")[:-3], "undecodable"),
    "trailing bytes": Case(lambda kafka: kafka.order("trailing bytes") + b"\x00", "undecodable"),
    "a status in the topic of creates": Case(lambda kafka: kafka.change("x", "paid"), "undecodable"),
    "a create in the topic of statuses": Case(order("x"), "undecodable", topic="status"),
    "symbol out of the enum": Case(
        lambda kafka: kafka.change("x", "paid")[:-3] + b"\x62\x00\x00", "undecodable", topic="status"
    ),
    "id that is no utf-8": Case(lambda kafka: kafka.order("QQQQ").replace(b"QQQQ", b"\xff\xfe\xfd\xfc"), "undecodable"),
    "undecodable without a key": Case(raw(b"?"), "undecodable", key=None),
    "undecodable with a binary key": Case(raw(b"?"), "undecodable", key=b"\xff\x00\xfe"),
    "length that lies": Case(
        lambda kafka: kafka.order("x")[:FINGERPRINT_END] + b"\xfe\xff\xff\xff\x0f" + b"x" * 20, "undecodable"
    ),
    "no key": Case(order("no key"), "delivered", key=None),
    "another key": Case(order("another key"), "delivered", key=b"something else"),
    "headers of every kind": Case(
        order("headers of every kind"),
        "delivered",
        headers=(
            ("a", b""),
            ("a", None),
            ("b", b"\x00\xff" * 5000),
            ("ünï", b"x"),
            ("traceparent", b"garbage\r\nX: y"),
        ),
    ),
    "header key that is no utf-8": Case(order("header key that is no utf-8"), "delivered", headers=((ODD, b"x"),)),
    "undecodable with such a header key": Case(raw(b"?"), "undecodable", headers=((ODD, b"x"), ("b", None))),
    "undecodable with odd headers": Case(raw(b"?"), "undecodable", headers=(("a", None), ("relay-reason", b"mine"))),
    "empty id": Case(order(""), "invalid", "order_id", key=b"empty id"),
    "id of dots": Case(order(".."), "invalid", "order_id", key=b"id of dots"),
    "id with a line break": Case(order("a\r\nX-Evil: 1"), "invalid", "control", key=b"id with a line break"),
    "id with NUL": Case(order("a\x00b"), "invalid", "control", key=b"id with NUL"),
    "id too long": Case(order("x" * 129), "invalid", "128", key=b"id too long"),
    "id of path marks": Case(order("a/b?c#d%2e%2e&e=f"), "delivered", key=b"a/b?c#d%2e%2e&e=f"),
    "id in every script": Case(order("订单-é-🚚-שלום"), "delivered", key="订单-é-🚚-שלום".encode()),
    "currency of four": Case(order("currency of four", currency="EURO"), "invalid", "currency"),
    "negative total": Case(order("negative total", total_value=(-1).to_bytes(4, "big", signed=True)), "invalid"),
    "negative quantity": Case(order("negative quantity", lines=line(quantity=-1)), "invalid", "lines[0]"),
    "year 30000": Case(order("year 30000", placed_at=900_000_000_000_000), "invalid", "placed_at"),
    "before 1970": Case(order("before 1970", placed_at=-1), "delivered"),
    "no lines": Case(order("no lines", lines=[]), "delivered"),
    "zone of no atlas": Case(order("zone of no atlas", time_zone="Mars/Olympus"), "delivered"),
    "half a megabyte": Case(order("half a megabyte", attributes=[{"name": "n", "value": "x" * 500_000}]), "delivered"),
    "5000 lines": Case(order("5000 lines", lines=line() * 5000), "delivered"),
}
BY_KEY = {"id of path marks": "a/b?c#d%2e%2e&e=f", "id in every script": "订单-é-🚚-שלום"}


@dataclass
class Ended:
    """What became of all cases, sent to one worker, each with a good order of the same partition behind it."""

    rig: Rig
    parked: dict[tuple[str, int, int], Any]
    places: dict[str, Any]
    orders: frozenset[str]


@pytest.fixture(scope="module")
def ended(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    with ExitStack() as ends:
        kafka = KafkaSide(broker.bootstrap, fresh("bad"), 1).create_topics()
        rig = ends.enter_context(open_rig(kafka, tmp_path_factory.mktemp("bad")))
        places = {}
        for name, case in CASES.items():
            places[name] = _send(kafka, name, case)
            kafka.create(f"after {name}")
        kafka.flush()
        relay = rig.start().joined()
        relay.caught_up()
        parked = {_source(one): one for one in kafka.all_parked()}
        rig.assert_committed_to_the_end()
        yield Ended(
            rig, parked, {name: place.get(1) for name, place in places.items()}, frozenset(rig.vendor.by_order())
        )
        assert relay.stop() == 0


def _send(kafka: KafkaSide, name: str, case: Case) -> Any:
    headers = [(HeaderKey.of(b"\xff\xfe") if one == ODD else one, value) for one, value in case.headers]
    key = name.encode() if case.key == b"own" else case.key
    topic = kafka.created if case.topic == "created" else kafka.status
    return kafka.producer.send(topic, key=key, value=case.value(kafka), headers=producer_headers(tuple(headers)))


def _source(record: Any) -> tuple[str, int, int]:
    return (
        header(record, "relay-source-topic"),
        int(header(record, "relay-source-partition")),
        int(header(record, "relay-source-offset")),
    )


@pytest.mark.parametrize("name", CASES)
def test_a_bad_record_is_parked_or_skipped_and_the_next_one_is_delivered(ended: Ended, name: str) -> None:
    case, place = CASES[name], ended.places[name]
    record = ended.parked.get((place.topic, place.partition, place.offset))
    assert f"after {name}" in ended.orders
    match case.end:
        case "skipped":
            assert record is None
        case "delivered":
            assert record is None
            assert BY_KEY.get(name, name) in ended.orders
        case reason:
            assert record is not None
            found = dict(record.headers)
            assert found["relay-reason"].decode() == reason
            assert case.detail in found["relay-detail"].decode()
            assert record.value == case.value(ended.rig.kafka)


def test_a_header_key_that_is_no_utf8_is_parked_unchanged(ended: Ended) -> None:
    place = ended.places["undecodable with such a header key"]
    record = ended.parked[place.topic, place.partition, place.offset]
    assert [(key.encode(), value) for key, value in record.headers][:2] == [(b"\xff\xfe", b"x"), (b"b", None)]


def test_anomalies_of_records_are_counted(ended: Ended) -> None:
    status = ended.rig.relays[0].status()
    assert status["skipped_total"] == 1
    assert status["key_mismatches_total"] >= 2
    assert status["notes"] == {"unmapped_time_zone": 1}
    assert status["parked_total"] == sum(case.end not in ("skipped", "delivered") for case in CASES.values())


def test_no_order_id_becomes_a_header_or_a_path(ended: Ended) -> None:
    assert set(ended.rig.vendor.requests) <= {"POST 201", "POST 400"}
    assert not [line for line in ended.rig.relays[0].log if line["action"] in ("mapping_failed", "flow_failed")]
