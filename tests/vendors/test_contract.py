"""What every vendor of this relay keeps to, whatever it is: each folder of `workers/vendors` passes."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeAlias, get_args

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workers.vendors
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Skipped, UnknownOrder
from workers.core.events import Created, Event, Status
from workers.vendors.contract import Attempt, Call, Flow, MaybeSent, NotSent, Sink, UnknownVendorError, Vendor, load

FOLDER = Path(workers.vendors.__file__).parent
VENDORS = [load(path.parent.name) for path in sorted(FOLDER.glob("[a-z]*/__init__.py"))]
SINKS = [vendor for vendor in VENDORS if vendor.sink is not None]
SECRET = "canary-3f9a"
ANY_OUTCOME = get_args(Outcome)
LONGEST_TALK = 400  # requests; more is a flow that does not end

each_sink = pytest.mark.parametrize("vendor", SINKS, ids=lambda vendor: vendor.name)
Talk: TypeAlias = tuple[Any, list[httpx.Request]]


def account(vendor: Vendor) -> dict[str, str]:
    """All variables: secrets are canaries, the address is one host."""
    values = {each.name: each.default or "x" for each in vendor.variables}
    secrets = {each.name: f"{SECRET}-{each.name}" for each in vendor.variables if each.secret}
    return values | secrets | {"BASE_URL": f"https://{vendor.name}.example/{values['BASE_URL'].rpartition('/')[2]}"}


def sink_of(vendor: Vendor) -> Sink:
    assert vendor.sink
    return vendor.sink(vendor.sink_options() if vendor.sink_options else None, account(vendor))


def talk(flow: Flow[Any], answer: httpx.Response | Exception) -> Talk:
    """Answer every request alike; return the flow's value and the requests."""
    asked: list[httpx.Request] = []
    talking: Generator[httpx.Request, httpx.Response, Any] = flow
    try:
        asked.append(next(talking))
        while len(asked) < LONGEST_TALK:
            if isinstance(answer, Exception):
                asked.append(talking.throw(answer))
            else:
                asked.append(talking.send(answer))
    except StopIteration as stop:
        return stop.value, asked
    pytest.fail("the flow never ends")


def money(unscaled: int) -> bytes:
    return unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


texts = st.text(max_size=8) | st.sampled_from([".", "..", "a/b", "\n", "x" * 129, "x" * 2049, "\ud800", "ł%2F?#"])
ids = st.text("abc-/.%", min_size=1, max_size=8) | texts
moments = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 4 * 10**12)
amounts = st.integers(-(10**18) + 1, 10**18 - 1).map(money)
ints = st.integers(-(2**31), 2**31 - 1)
states = st.sampled_from(["placed", "paid", "completed", "canceled"])
zones = optional(st.sampled_from(["Europe/Warsaw", "UTC", "Pacific Standard Time", "nowhere"]) | texts)
attributes = st.lists(st.fixed_dictionaries({"name": texts, "value": optional(texts)}), max_size=2)
lines = st.fixed_dictionaries(
    {
        "product_id": texts,
        "name": texts,
        "unit_price": amounts,
        "quantity": ints,
        "returned": optional(ints),
        "url": optional(texts),
        "image_url": optional(texts),
        "category": optional(texts),
        "attributes": attributes,
    }
)
pieces = st.fixed_dictionaries(
    {
        "sequence": ints,
        "reference": optional(texts),
        "quantity": ints,
        "weight": optional(st.floats()),
        "description": optional(texts),
        **dict.fromkeys(("height", "width"), optional(st.floats())),
    }
)
notifiers = st.fixed_dictionaries(
    {
        "order_notify_id": ints | st.integers(-2, 12),
        "notify_email": texts,
        "subject": texts,
        "style_sheet_id": ints,
        "from_email": optional(texts),
        "customer_notify_id": optional(ints),
    }
)
stops = st.fixed_dictionaries(
    {
        "sequence": ints,
        "type": st.sampled_from(["pickup", "destination", "both"]),
        **dict.fromkeys(("scheduled_at", "early_at", "late_at"), optional(moments)),
        "time_zone": zones,
        **dict.fromkeys(
            ("name", "address", "city", "state", "postal_code", "country", "phone", "note"), optional(texts)
        ),
        **dict.fromkeys(("room", "see", "customer_ship_to_code"), optional(texts)),
        **dict.fromkeys(("latitude", "longitude"), optional(st.floats())),
        "pieces": st.lists(ints, max_size=2),
    }
)
deliveries = st.fixed_dictionaries(
    {
        "customer_code": optional(texts),
        "service": texts,
        "reference": optional(texts),
        "notes": optional(texts),
        **dict.fromkeys(("description", "other_reference", "invoice_reference", "vehicle_type"), optional(texts)),
        "pod_required": optional(st.booleans()),
        **dict.fromkeys(("declared_value", "cod_amount"), optional(amounts)),
        "notifiers": st.lists(notifiers, max_size=2),
        "pieces": st.lists(pieces, max_size=2),
        "stops": st.lists(stops, max_size=2),
    }
)
orders = st.fixed_dictionaries(
    {
        "order_id": ids,
        "placed_at": moments,
        "time_zone": zones,
        "website_id": optional(ints),
        "status": optional(states),
        "currency": optional(st.sampled_from(["USD", "EUR", "zł"]) | texts),
        "total_value": amounts,
        "returns_value": optional(amounts),
        "customer": st.fixed_dictionaries({name: optional(texts) for name in ("email", "phone", "crm_id")}),
        "lines": st.lists(lines, max_size=3),
        "attributes": attributes,
        "delivery": optional(deliveries),
    }
)
envelopes = st.fixed_dictionaries({"event_id": texts, "occurred_at": moments, "producer": texts})


def created_of(envelope: Any, order: Any) -> Created:
    content: Any = {**envelope, "order": order}
    return Created(order["order_id"], content)


def status_of(envelope: Any, change: Any) -> Status:
    content: Any = {**envelope, **change}
    return Status(change["order_id"], content)


changes = st.fixed_dictionaries(
    {"order_id": ids, "status": states, "reason": optional(texts), "website_id": optional(ints)}
)
events: st.SearchStrategy[Event] = st.builds(created_of, envelopes, orders) | st.builds(status_of, envelopes, changes)
unhurried = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)

STOP = {
    "sequence": 1,
    "type": "destination",
    **dict.fromkeys(("scheduled_at", "early_at", "late_at"), 1_700_000_000_000),
    "time_zone": "America/New_York",
    **dict.fromkeys(("name", "address", "city", "phone", "note", "room", "see", "customer_ship_to_code"), "x"),
    **dict.fromkeys(("latitude", "longitude"), 40.5),
    "state": "NY",
    "postal_code": "10001",
    "country": "US",
    "pieces": [1],
}
PIECE = {"sequence": 1, "reference": "r", "quantity": 1, "weight": 1.0, "description": "d", "height": 1.0, "width": 2.0}
NOTIFIER = {
    "order_notify_id": 2,
    "notify_email": "a@b.example",
    "subject": "s",
    "style_sheet_id": 1,
    **dict.fromkeys(("from_email", "customer_notify_id")),
}
DELIVERY = {
    "customer_code": "c",
    "service": "s",
    "reference": None,
    "notes": None,
    **dict.fromkeys(("description", "other_reference", "invoice_reference", "vehicle_type"), "x"),
    "pod_required": True,
    "declared_value": money(10_000),
    "cod_amount": None,
    "notifiers": [NOTIFIER],
    "pieces": [PIECE],
    "stops": [{**STOP, "type": "pickup"}, {**STOP, "sequence": 2}],
}
ENVELOPE = {"event_id": "e", "occurred_at": 1_700_000_000_000, "producer": "shop"}


def plain_order(order_id: str) -> Created:
    """An order that every vendor accepts."""
    order = {
        "order_id": order_id,
        "placed_at": 1_700_000_000_000,
        "time_zone": None,
        "website_id": None,
        "status": None,
        "currency": "USD",
        "total_value": money(1_500_000),
        "returns_value": None,
        "customer": {"email": "a@b.example", "phone": None, "crm_id": None},
        "lines": [],
        "attributes": [],
        "delivery": DELIVERY,
    }
    return created_of(ENVELOPE, order)


def plain_status() -> Status:
    return status_of(ENVELOPE, {"order_id": "A-1", "status": "canceled", "reason": None, "website_id": None})


def flows(sink: Sink) -> list[list[Attempt]]:
    """One delivery of each kind: an order, two orders together where they may be, an unknown one, a status."""
    first, second, change = (sink.prepare(each) for each in (plain_order("A-1"), plain_order("A-2"), plain_status()))
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    kinds = [[Attempt(first)], [Attempt(first, 2, unknown=True)]]
    if first.group is not None:
        kinds.append([Attempt(first), Attempt(second)])
    if isinstance(change, Call):
        kinds.append([Attempt(change)])
    return kinds


def outcomes_of(vendor: Vendor, answer: httpx.Response) -> list[Outcome]:
    sink = sink_of(vendor)
    found: list[Outcome] = []
    for attempts in flows(sink):
        outcomes, _ = talk(sink.deliver(attempts), answer)
        assert len(outcomes) == len(attempts)
        found += outcomes
    return [*found, talk(sink.check(), answer)[0]]


def test_a_vendor_is_found_by_its_folder() -> None:
    assert "ecdp" in [vendor.name for vendor in VENDORS]
    for name in ("unknown", "bisect.x", "../ecdp", ""):
        with pytest.raises(UnknownVendorError):
            load(name)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_vendor_has_a_title_notes_and_variables(vendor: Vendor) -> None:
    assert (FOLDER / vendor.name / "NOTES.md").is_file()
    assert vendor.title
    assert any(each.name == "BASE_URL" and not each.secret for each in vendor.variables)
    assert any(each.secret for each in vendor.variables)


@each_sink
@given(event=events)
@unhurried
def test_any_event_is_prepared_or_refused_with_a_reason(vendor: Vendor, event: Event) -> None:
    sink = sink_of(vendor)
    prepared = sink.prepare(event)
    assert isinstance(prepared, Call | Skipped | Rejected)
    if isinstance(prepared, Call):
        assert prepared.order_id == event.order_id
        assert prepared.creates_order == isinstance(event, Created)
        assert prepared.size >= 0
        request = sink.preview(prepared)
        assert request.url.host == f"{vendor.name}.example"
        assert SECRET not in f"{request.headers!r}{request.content!r}{request.url}"


@each_sink
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_denied_and_rejects_no_order(vendor: Vendor, status: int) -> None:
    assert all(isinstance(each, Denied) for each in outcomes_of(vendor, httpx.Response(status)))


@each_sink
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_transient_fault_never_rejects_an_order(vendor: Vendor, status: int) -> None:
    refusals = (Rejected, UnknownOrder, Delivered, Skipped)
    for response in (httpx.Response(status), httpx.Response(status, headers={"Retry-After": "x"})):
        assert not any(isinstance(each, refusals) for each in outcomes_of(vendor, response))


JUNK = [b"", b"<html>", b"null", b"[]", b"7", b'"x"', b"{", b"\xff\xfe", b"[" * 900 + b"]" * 900]
JUNK += [b'{"errors":7}', b'{"errors":{"a":{"b":[[]]}}}', b'{"data":[]}', b'{"x":1e300}']


@each_sink
@pytest.mark.parametrize("body", JUNK, ids=range(len(JUNK)))
def test_no_answer_raises(vendor: Vendor, body: bytes) -> None:
    for status in (200, 201, 204, 302, 400, 401, 404, 409, 413, 418, 429, 500, 503, 599):
        for content_type in ("application/json", "text/html", ""):
            response = httpx.Response(status, headers={"content-type": content_type}, content=body)
            assert all(isinstance(each, ANY_OUTCOME) for each in outcomes_of(vendor, response))


@each_sink
def test_a_proxys_page_is_never_taken_for_success(vendor: Vendor) -> None:
    page = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>Please sign in</html>")
    assert not any(isinstance(each, Delivered) for each in outcomes_of(vendor, page))


@each_sink
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_every_request_goes_to_the_vendor_and_no_outcome_holds_a_secret(vendor: Vendor, status: int) -> None:
    sink = sink_of(vendor)
    echo = httpx.Response(status, json={"title": SECRET, "errors": list(account(vendor).values())})
    base = httpx.URL(account(vendor)["BASE_URL"])
    for flow in [sink.check(), *(sink.deliver(each) for each in flows(sink))]:
        value, asked = talk(flow, echo)
        assert all((each.url.scheme, each.url.host) == (base.scheme, base.host) for each in asked)
        assert all(each.url.path.startswith(base.path.rstrip("/")) for each in asked)
        secrets = [account(vendor)[each.name] for each in vendor.variables if each.secret]
        assert not [secret for secret in secrets if secret in repr(value)]
    assert SECRET not in repr(sink)


@each_sink
@pytest.mark.parametrize("lost", [NotSent("refused"), MaybeSent("reset")], ids=["not sent", "maybe sent"])
def test_a_lost_request_neither_delivers_nor_rejects_the_order(vendor: Vendor, lost: Exception) -> None:
    sink = sink_of(vendor)
    for flow in [sink.check(), *(sink.deliver(each) for each in flows(sink))]:
        try:
            value, _ = talk(flow, lost)
        except (NotSent, MaybeSent):
            continue
        for outcome in value if isinstance(value, list) else [value]:
            assert not isinstance(outcome, Delivered | Rejected | UnknownOrder | Skipped)
