"""ECDP: orders and their statuses, by its page "Orders - API methods"."""

from __future__ import annotations

from workers.vendors.contract import Variable, Vendor
from workers.vendors.ecdp.sink import EcdpOptions, EcdpSink

VENDOR = Vendor(
    name="ecdp",
    title="ECDP",
    variables=(
        Variable("BASE_URL", default="https://api.ecdp.app"),
        Variable("API_KEY", secret=True),
    ),
    sink_options=EcdpOptions,
    sink=EcdpSink,
)
