"""What a worker is made of, by topics.yaml and the variables."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.vendor_rig import put, says, vendor
from workers.app.config.configuration import load_configuration
from workers.app.poll.context import SetPolling
from workers.app.runtime.build import build_client, build_poll_tools
from workers.edges.http.transport import MAX_ANSWER_BYTES
from workers.vendors.contract import TooLong, load

TOPOLOGY = {"RELAY_TOPOLOGY": str(Path(__file__).parents[3] / "topics.yaml")}
KOMET = {"KOMET_TOKEN": "t", "KOMET_CUSTOMER_ID": "12"}


def _end(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(("account", "left_out"), [({}, {"inventory"}), ({"KOMET_ACCOUNT": "77"}, set())])
async def test_a_set_whose_list_needs_a_variable_that_is_not_set_is_not_read(
    account: dict[str, str], left_out: set[str]
) -> None:
    """Otherwise the vendor refuses it for ever: the poller never says how fresh it is, and each try costs a request."""
    configuration = load_configuration(TOPOLOGY | KOMET | account, ["komet-poller"])
    spec, codec = configuration.config.pollers["komet-poller"], SimpleNamespace()
    tools = build_poll_tools(spec, configuration, codec, _end)  # type: ignore[arg-type]
    polling: Any = tools.polling
    assert isinstance(polling, SetPolling)
    assert set(spec.sets) - {one.name for one in polling.sets} == left_out
    await tools.client.close()


@pytest.mark.parametrize(("worker", "is_read"), [("komet-sink", True), ("ecourier-sink", True), ("ecdp-sink", False)])
async def test_an_answer_as_long_as_an_invoice_in_pdf_is_read_of_the_vendors_that_have_such(
    worker: str, is_read: bool
) -> None:
    """`relay vendor komet invoice-pdf` may use the sink's account: its answers are longer than an order's."""
    head, body = (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_ANSWER_BYTES + 1),
        b"x" * (MAX_ANSWER_BYTES + 1),
    )
    async with vendor(says(head, body)) as server:
        name = worker.removesuffix("-sink").upper()
        account = {f"{name}_BASE_URL": server.url, "ECDP_API_KEY": "k", "ECOURIER_USER_GUID": "g"}
        configuration = load_configuration(TOPOLOGY | KOMET | account | {"RELAY_ALLOW_HTTP_VENDORS": "true"}, [worker])
        spec = configuration.config.sinks[worker]
        client = build_client(spec, load(spec.vendor), configuration.credentials[worker])
        try:
            with nullcontext() if is_read else pytest.raises(TooLong):
                assert len((await put(client, server.url)).content) == len(body)
        finally:
            await client.close()
