"""DCL Logistics: the stages of orders, from its API page "GET api/v1/orders"."""

from workers.vendors.contract import Variable, Vendor
from workers.vendors.dcl.ask import ask
from workers.vendors.dcl.options import DclOptions, order_number
from workers.vendors.dcl.poller import DclPoller

VENDOR = Vendor(
    name="dcl",
    title="DCL",
    variables=(
        Variable("BASE_URL", default="https://api.dclcorp.com/api/v1", meaning="The address of the API."),
        Variable("USERNAME", meaning="The API user."),
        Variable("PASSWORD", secret=True, meaning="The API user's password."),
        Variable("TIME_ZONE", default="America/Los_Angeles", meaning="The zone of DCL's dates (an IANA name)."),
    ),
    poller_options=DclOptions,
    poller=DclPoller,
    order_number=order_number,
    ask=ask,
)
