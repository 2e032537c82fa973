"""Vendors name their variables in braces; what leaves the client names them as the operator set them."""

from typing import Any

import pytest

from tests.support.vendor_rig import OK, client_of, says, vendor
from workers.core.delivery.outcome import Delivered, Denied, Rejected, Throttled, UnknownOrder
from workers.core.plain_words import plain_words
from workers.core.poll.vendor_set import SetReading
from workers.edges.http.variable_names import VariableNames
from workers.vendors.contract import Flow

NAMES = VariableNames("SHOP_2", ("API_KEY", "USERNAME"))
SAID, NAMED = (
    "is {API_KEY} right? Configuration='{***}' {OTHER}",
    "is SHOP_2_API_KEY right? Configuration='{***}' {OTHER}",
)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Denied(SAID, 401), Denied(NAMED, 401)),
        (Throttled(3.0, why=SAID), Throttled(3.0, why=NAMED)),
        ([Rejected(SAID), Delivered(remarks=(SAID,))], [Rejected(NAMED), Delivered(remarks=(NAMED,))]),
        (UnknownOrder(SAID), UnknownOrder(NAMED)),
        (SetReading((), forbidden=SAID), SetReading((), forbidden=NAMED)),
        (SAID, SAID),
    ],
)
async def test_what_a_flow_returns_names_the_variables_in_full_and_leaves_other_braces(value: Any, named: Any) -> None:
    def flow() -> Flow[Any]:
        yield from ()
        return value

    async with vendor(says(OK)) as server, client_of(server.url, names=NAMES) as client:
        assert await client.run(flow()) == named


def test_our_variables_are_no_personal_words_of_a_vendors() -> None:
    assert plain_words("are SHOP_2_API_KEY and ADA_COUPON_77 right?", ours=NAMES.all_full) == (
        "are SHOP_2_API_KEY and *** right?"
    )
