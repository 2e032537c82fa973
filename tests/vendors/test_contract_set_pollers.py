"""What every vendor of the third kind keeps to: its poller reads complete sets, or says why it reads nothing."""

from typing import Any, get_args, get_type_hints

import httpx
import pytest

from tests.vendors.test_contract import JUNK, SECRET, VENDORS, account, talk
from workers.core.delivery.outcome import Denied
from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_set import Ask, Created, SetReading, Updated, VendorSet, Whole
from workers.vendors.contract import MaybeSent, NotSent, PollFault, SetPoller, Vendor

ANY_FAULT = get_args(PollFault)
DAY = TimeRange(1_782_000_000_000, 1_782_086_400_000)
SETS = [pytest.param(vendor, one, id=f"{vendor.name}: {one.name}") for vendor in VENDORS for one in vendor.sets]

each_set = pytest.mark.parametrize(("vendor", "one"), SETS)


def set_poller_of(vendor: Vendor) -> SetPoller[Any]:
    assert vendor.set_poller
    return vendor.set_poller(vendor.poller_options() if vendor.poller_options else None, account(vendor))


def ask_of(one: VendorSet) -> Ask:
    asks: dict[str, Ask] = {"created": Created(DAY), "whole": Whole(), "updated": Updated(DAY.start_ms, DAY)}
    return asks[one.kind]


@each_set
def test_a_set_is_asked_for_in_a_way_that_its_poller_reads(vendor: Vendor, one: VendorSet) -> None:
    """mypy cannot compare the kinds of a vendor's sets with what its poller accepts."""
    assert type(ask_of(one)) in get_args(get_type_hints(type(set_poller_of(vendor)).read)["ask"])


@each_set
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_reads_no_set(vendor: Vendor, one: VendorSet, status: int) -> None:
    """A vendor's account may do without a set that is no more than counted as refused, and tells no deletions."""
    poller = set_poller_of(vendor)
    assert isinstance(talk(poller.check(), httpx.Response(status))[0], Denied)
    found = talk(poller.read(one.name, ask_of(one)), httpx.Response(status))[0]
    assert isinstance(found, Denied) or (found.rows == () and found.notes and not one.tells_deletions)


@each_set
@pytest.mark.parametrize("body", JUNK, ids=range(len(JUNK)))
def test_no_answer_to_a_poller_raises(vendor: Vendor, one: VendorSet, body: bytes) -> None:
    for status in (200, 204, 302, 400, 404, 408, 413, 429, 500, 503, 599):
        for content_type in ("application/json", "text/html", ""):
            response = httpx.Response(status, headers={"content-type": content_type}, content=body)
            found, _ = talk(set_poller_of(vendor).read(one.name, ask_of(one)), response)
            assert isinstance(found, (SetReading, *ANY_FAULT))
            assert not (isinstance(found, SetReading) and found.rows), "nothing in it is a row"


@each_set
def test_a_proxys_page_is_no_reading(vendor: Vendor, one: VendorSet) -> None:
    """Taken for an empty set it would tell of deletions."""
    page = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>Please sign in</html>")
    assert isinstance(talk(set_poller_of(vendor).read(one.name, ask_of(one)), page)[0], ANY_FAULT)


@each_set
@pytest.mark.parametrize("lost", [NotSent("refused"), MaybeSent("reset")], ids=["not sent", "maybe sent"])
def test_a_lost_request_reads_nothing(vendor: Vendor, one: VendorSet, lost: Exception) -> None:
    assert isinstance(talk(set_poller_of(vendor).read(one.name, ask_of(one)), lost)[0], ANY_FAULT)


@each_set
@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
def test_a_pollers_requests_go_to_the_vendor_and_no_fault_holds_a_secret(
    vendor: Vendor, one: VendorSet, status: int
) -> None:
    poller, base = set_poller_of(vendor), httpx.URL(account(vendor)["BASE_URL"])
    secrets = [account(vendor)[each.name] for each in vendor.variables if each.secret]
    echo = httpx.Response(status, json={"error": secrets[0], "message": secrets[0], "status": 0})
    for flow in (poller.check(), poller.read(one.name, ask_of(one))):
        value, asked = talk(flow, echo)
        assert all((each.url.scheme, each.url.host) == (base.scheme, base.host) for each in asked)
        assert all(each.url.path.startswith(base.path.rstrip("/")) for each in asked)
        assert not [secret for secret in secrets if secret in repr(value)]
    assert SECRET not in repr(poller)
