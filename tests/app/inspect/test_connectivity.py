"""A check says what an operator should know of a vendor that answers."""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest

from tests.support.vendor_rig import says, vendor
from workers.app.config.configuration import load_configuration
from workers.app.inspect.connectivity import VendorClock, ask_vendor, vendor_message
from workers.core.delivery.outcome import Delivered, Unavailable
from workers.vendors.contract import Flow

TOPOLOGY = str(Path(__file__).parents[3] / "topics.yaml")


@pytest.mark.parametrize(
    ("ahead_s", "remark"),
    [
        (0, None),
        (-50, None),
        (200, "its clock is 200 s ahead of this host's"),
        (-200, "its clock is 200 s behind this host's"),
    ],
)
async def test_a_vendors_clock_that_is_off_by_more_than_a_minute_is_named(ahead_s: int, remark: str | None) -> None:
    """A poller's windows are of the vendor's time: on a clock that is behind, changes come late."""

    async def send(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Date": formatdate(time.time() + ahead_s, usegmt=True)}, request=request)

    clock = VendorClock()
    await clock.attempt(httpx.Request("GET", "https://api.dclcorp.com/"), send)
    found = clock.remark and clock.remark.partition(":")[0].replace("199", "200").replace("201", "200")
    assert found == remark


async def test_without_a_date_nothing_is_said_of_the_clock() -> None:
    async def send(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, request=request)

    clock = VendorClock()
    await clock.attempt(httpx.Request("GET", "https://api.dclcorp.com/"), send)
    assert clock.remark is None


@pytest.mark.parametrize(("took_s", "slowness"), [(0.2, None), (6.06, "its answer took 6.1 s")])
async def test_an_answer_that_takes_long_is_named(took_s: float, slowness: str | None) -> None:
    now = [0.0]

    async def send(request: httpx.Request) -> httpx.Response:
        now[0] += took_s
        return httpx.Response(200, request=request)

    clock = VendorClock(monotonic=lambda: now[0])
    await clock.attempt(httpx.Request("GET", "https://api.dclcorp.com/"), send)
    assert clock.slowness == slowness


@pytest.mark.parametrize(
    ("account", "said"),
    [({}, "; the set 'inventory' is not read: KOMET_ACCOUNT is not set"), ({"KOMET_ACCOUNT": "7"}, "")],
)
def test_a_set_that_is_not_read_is_said_with_the_variable_that_it_needs(account: dict[str, str], said: str) -> None:
    """Otherwise an operator misses the inventory although all is well."""
    environ = {"RELAY_TOPOLOGY": TOPOLOGY, "KOMET_TOKEN": "t"}
    configuration = load_configuration(environ | {"KOMET_CUSTOMER_ID": "12"} | account, ["komet-poller"])
    spec, credentials = configuration.config.pollers["komet-poller"], configuration.credentials["komet-poller"]
    message = vendor_message(Delivered(), spec, credentials, VendorClock())
    assert message == f"answers; the address and the credentials are right{said}"


@pytest.mark.parametrize("form", [str.upper, json.dumps, lambda key: b64encode(f"x-api-key: {key}".encode()).decode()])
async def test_what_a_command_shows_of_a_vendors_fault_holds_our_key_in_no_form(form: Callable[[str], str]) -> None:
    """Its output is pasted into tickets."""
    key = 'canary"key/9'

    def repeating() -> Flow[Unavailable]:
        response = yield httpx.Request("GET", server.url)
        return Unavailable(f"HTTP 500: {response.text}")

    said = f"request was {form(key)}".encode()
    async with vendor(says(b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))) as server:
        environ = {"RELAY_TOPOLOGY": TOPOLOGY, "ECDP_API_KEY": key, "ECDP_BASE_URL": server.url}
        configuration = load_configuration(environ | {"RELAY_ALLOW_HTTP_VENDORS": "true"}, ["ecdp-sink"])
        found = await ask_vendor(configuration, configuration.config.sinks["ecdp-sink"], repeating())
    assert isinstance(found, Unavailable)
    assert "***" in found.reason.removeprefix("HTTP 500: request was ")
    assert form(key)[1:-4] not in found.reason
