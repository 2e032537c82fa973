"""e-Courier: deliveries, by its page "API Reference" (JSON endpoints)."""

from __future__ import annotations

from workers.vendors.contract import Variable, Vendor
from workers.vendors.ecourier.options import EcourierOptions, EcourierPollerOptions, number_by
from workers.vendors.ecourier.poller import EcourierPoller
from workers.vendors.ecourier.session import EcourierSession, variables_fault
from workers.vendors.ecourier.sink import EcourierSink

VENDOR = Vendor(
    name="ecourier",
    title="e-Courier",
    variables=(
        Variable("BASE_URL"),
        Variable("WEBSITE", required=False),
        Variable("USERNAME", required=False),
        Variable("PASSWORD", secret=True, required=False),
        Variable("USER_GUID", secret=True, required=False),
        Variable("CUSTOMER_CODE", required=False),
        Variable("TIME_ZONE", default="America/New_York"),
    ),
    variables_fault=variables_fault,
    sink_options=EcourierOptions,
    sink=EcourierSink,
    poller_options=EcourierPollerOptions,
    poller=EcourierPoller,
    poller_follows=True,
    session=EcourierSession,
    tracks=True,
    order_number=number_by,
)
