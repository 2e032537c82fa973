"""e-Courier: deliveries, from its page "API Reference" (JSON endpoints)."""

from __future__ import annotations

from workers.vendors.contract import Variable, Vendor
from workers.vendors.ecourier.ask import ask
from workers.vendors.ecourier.options import EcourierOptions, EcourierPollerOptions, number_by
from workers.vendors.ecourier.poll.poller import EcourierPoller
from workers.vendors.ecourier.session import EcourierSession, variables_faults
from workers.vendors.ecourier.sink import EcourierSink

VENDOR = Vendor(
    name="ecourier",
    title="e-Courier",
    variables=(
        Variable("BASE_URL", meaning="The address of the site's API."),
        Variable("WEBSITE", required=False, meaning="The site's name, for a login with user and password."),
        Variable("USERNAME", required=False, meaning="The user; needed without `USER_GUID`."),
        Variable("PASSWORD", secret=True, required=False, meaning="The user's password; needed without `USER_GUID`."),
        Variable("USER_GUID", secret=True, required=False, meaning="The user's GUID: a login without password."),
        Variable("CUSTOMER_CODE", required=False, meaning="The customer that deliveries are booked for."),
        Variable("TIME_ZONE", default="America/New_York", meaning="The zone of event times (an IANA name)."),
    ),
    variables_faults=variables_faults,
    sink_options=EcourierOptions,
    sink=EcourierSink,
    poller_options=EcourierPollerOptions,
    order_poller=EcourierPoller,
    session=EcourierSession,
    tracks=True,
    long_answers=True,
    order_number=number_by,
    ask=ask,
)
