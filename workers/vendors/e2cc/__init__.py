"""E2CC: orders, invoices, inventories, credits and returns, by its page "Portal API"."""

from workers.vendors.contract import Variable, Vendor
from workers.vendors.e2cc.ask import ask
from workers.vendors.e2cc.options import E2ccOptions
from workers.vendors.e2cc.poller import SETS, E2ccPoller

VENDOR = Vendor(
    name="e2cc",
    title="E2CC",
    variables=(
        Variable("BASE_URL", default="https://portal.e2cc.com/api", meaning="The address of the API."),
        Variable("ACCESS_KEY", secret=True, meaning="The access key. It reads all of the account's books."),
        Variable("TIME_ZONE", default="America/New_York", meaning="The zone of E2CC's times (an IANA name)."),
    ),
    poller_options=E2ccOptions,
    set_poller=E2ccPoller,
    sets=SETS,
    one_at_a_time=True,
    ask=ask,
)
