"""Each vendor is asked once for an order, with the account of its worker, and says what it has now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from workers.app.config.configuration import Configuration, load_configuration
from workers.app.config.errors import ConfigError, Fault
from workers.app.inspect.known_order import KnownOrder
from workers.app.inspect.vendor_words import ask_vendors, workers_to_ask
from workers.devkit.simulators import SECRET, SimulatorOptions, dcl, ecdp, ecourier
from workers.vendors.asking import VendorWord

ROOT = Path(__file__).parents[3]
NAMES = ["ecdp-sink", "ecourier-sink", "dcl-poller"]
CONTENT: Any = {"order_id": "A-1", "status": "canceled"}


@pytest.fixture
async def configuration() -> AsyncIterator[Configuration]:
    """The repository's topics.yaml, and a simulator of each vendor."""
    simulators = [module.simulator(SimulatorOptions()) for module in (dcl, ecdp, ecourier)]
    for simulator in simulators:
        await simulator.start()
    urls = [simulator.server.base_url for simulator in simulators]
    simulators[1].ledger.kept["A-1"] = ecdp.Kept(b"{}", "paid")
    environ = {
        "RELAY_TOPOLOGY": str(ROOT / "topics.yaml"),
        "DCL_BASE_URL": f"{urls[0]}/api/v1",
        "DCL_USERNAME": "demo",
        "DCL_PASSWORD": SECRET,
        "ECDP_BASE_URL": urls[1],
        "ECDP_API_KEY": SECRET,
        "ECOURIER_BASE_URL": f"{urls[2]}{ecourier.BASE_PATH}",
        "ECOURIER_USER_GUID": SECRET,
    }
    yield load_configuration(environ, NAMES)
    for simulator in simulators:
        await simulator.stop()


async def test_each_vendor_says_what_it_has(configuration: Configuration) -> None:
    assert [name for name in workers_to_ask(configuration.config) if name in NAMES] == NAMES
    known = KnownOrder()
    known.add_delivered("ecdp-sink", 2, CONTENT)
    known.add_delivered("ecdp-sink", 1, CONTENT | {"status": "paid"})
    found = {one.vendor: one for one in await ask_vendors(dict.fromkeys(NAMES, configuration), "A-1", known)}
    assert (found["ECDP"].word and found["ECDP"].word.differing) == ("status",)  # the later one decides: canceled
    others = [found[name].word for name in ("e-Courier", "DCL")]
    assert others == [VendorWord("has no such order", "nothing")] * 2
    assert [one.is_as_expected for one in found.values()] == [False, True, True]


async def test_a_vendor_that_does_not_answer_says_why(configuration: Configuration) -> None:
    known = KnownOrder(numbers={"ecourier": ["OR-A-1"]})
    found = await ask_vendors(dict.fromkeys(NAMES, configuration), "..", known)
    assert found[0].fault.startswith("cannot be asked for this order: order_id: must not be . or ..")
    assert not found[0].is_as_expected


def test_the_last_published_stage_counts_and_other_events_do_not() -> None:
    known = KnownOrder()
    for sequence, progress in ((2, "shipped"), (1, "received")):
        known.add_published({"vendor": "dcl", "sequence": sequence, "progress": progress})
    known.add_published({"vendor": "ecourier", "event_type": "POD"})
    assert {vendor: content["progress"] for vendor, content in known.published.items()} == {"dcl": "shipped"}


async def test_a_vendor_whose_variables_are_not_set_here_is_not_asked() -> None:
    missing = ConfigError([Fault("DCL_USERNAME", "is not set")])
    [heard] = await ask_vendors({"dcl-poller": missing}, "A-1", KnownOrder())
    assert heard.is_as_expected
    assert heard.fault.startswith("not asked: DCL_USERNAME")
