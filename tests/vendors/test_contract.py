"""What every vendor of this relay keeps to, whatever it is: each folder of `workers/vendors` passes."""

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeAlias, get_args

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

import workers.vendors
from tests.support.any_event import events, plain_order, plain_status
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Skipped, UnknownOrder
from workers.core.events import Created, Event
from workers.edges.http.variable_names import VariableNames
from workers.vendors.contract import (
    Attempt,
    Call,
    Checkpoint,
    Flow,
    MaybeSent,
    NotSent,
    OrderPoller,
    Poller,
    SetPoller,
    Sink,
    UnknownVendorError,
    Vendor,
    load,
)

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


def checker_of(vendor: Vendor) -> Sink | Poller | OrderPoller | SetPoller[Any]:
    """Its sink or its poller: each side has a check."""
    if vendor.sink is not None:
        return sink_of(vendor)
    make: Any = vendor.poller or vendor.order_poller or vendor.set_poller
    options = vendor.poller_options() if vendor.poller_options else None
    checker: Poller | OrderPoller | SetPoller[Any] = make(options, account(vendor))
    return checker


def talk(flow: Flow[Any], answer: httpx.Response | Exception) -> Talk:
    """Answer every request alike; return the flow's value and the requests, of all parts between checkpoints."""
    asked: list[httpx.Request] = []
    value = _part(flow, answer, asked)
    while isinstance(value, Checkpoint):
        value = _part(value.then, answer, asked)
    return value, asked


def _part(flow: Flow[Any], answer: httpx.Response | Exception, asked: list[httpx.Request]) -> Any:
    talking: Generator[httpx.Request, httpx.Response, Any] = flow
    try:
        asked.append(next(talking))
        while len(asked) < LONGEST_TALK:
            if isinstance(answer, Exception):
                asked.append(talking.throw(answer))
            else:
                asked.append(talking.send(answer))
    except StopIteration as stop:
        return stop.value
    pytest.fail("the flow never ends")


unhurried = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


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
    for name in ("unknown", "bisect.x", "../ecdp", "", "contract", "commands"):
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


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("status", [302, 401, 403, 404])
def test_a_refused_account_is_denied_with_the_full_names_of_the_variables_to_look_at(
    vendor: Vendor, status: int
) -> None:
    """The operator has set ACME_API_KEY, and knows no API_KEY."""
    names = VariableNames("ACME", [each.name for each in vendor.variables])
    html = httpx.Response(status, headers={"content-type": "text/html", "location": "/login"}, text="<html>")
    denied = names.in_value(talk(checker_of(vendor).check(), html)[0])
    assert isinstance(denied, Denied)
    assert any(name in denied.reason for name in names.all_full)
    assert not re.search(rf"(?<!ACME_)\b({'|'.join(names.names)})\b", denied.reason)


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
