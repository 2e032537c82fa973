"""ECDP: orders and their statuses, by its page "Orders - API methods"."""

from __future__ import annotations

from workers.vendors.contract import Variable, Vendor
from workers.vendors.ecdp.ask import ask
from workers.vendors.ecdp.sink import EcdpOptions, EcdpSink

VENDOR = Vendor(
    name="ecdp",
    title="ECDP",
    variables=(
        Variable("BASE_URL", default="https://api.ecdp.app", meaning="The address of the API."),
        Variable("API_KEY", secret=True, meaning="The business unit's API key."),
    ),
    sink_options=EcdpOptions,
    sink=EcdpSink,
    ask=ask,
)
