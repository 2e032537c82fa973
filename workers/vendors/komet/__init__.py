"""Komet Sales: a flower seller's invoices, prebooks, web orders, credit and inventory, by a Customer Token."""

from __future__ import annotations

from workers.vendors.contract import Variable, Vendor
from workers.vendors.komet.ask import ask
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.orders.api import OPEN_LIFE_S
from workers.vendors.komet.orders.mapping import reference
from workers.vendors.komet.orders.options import KometOptions
from workers.vendors.komet.orders.sink import KometSink
from workers.vendors.komet.poll.poller import KometPoller
from workers.vendors.komet.poll.sets import REQUESTS_A_DAY, SETS
from workers.vendors.komet.requests import variables_faults

VENDOR = Vendor(
    name="komet",
    title="Komet Sales",
    variables=(
        Variable("BASE_URL", default="https://api.kometsales.com/api", meaning="The address of the API."),
        Variable("TOKEN", secret=True, meaning="The Customer Token. Some methods take it in the query string."),
        Variable("ACCOUNT", required=False, meaning="The seller's company id, sent as `X-ACCOUNT`: for the web shop."),
        Variable("CUSTOMER_ID", meaning="The customer's id at the seller: the token's own customer."),
        Variable("LOCATION_IDS", required=False, meaning="Ids of the seller's locations, if it has several; commas."),
    ),
    variables_faults=variables_faults,
    poller_options=KometPollerOptions,
    set_poller=KometPoller,
    sets=SETS,
    requests_a_day=REQUESTS_A_DAY,
    long_answers=True,
    ask=ask,
    sink_options=KometOptions,
    sink=KometSink,
    tracks=True,
    tracked_key="order_id",
    half_made_life_s=OPEN_LIFE_S,
    reference=reference,
)
