"""E2CC's requests: filters by PascalCase names, fields in camelCase, no foreign text in either."""

from datetime import UTC, datetime

import pytest

from tests.vendors.e2cc.account import ACCESS_KEY, account
from workers.core.poll.time_range import TimeRange
from workers.vendors._shared.requests import SetUpError
from workers.vendors.e2cc.requests import Bounds, Page, e2cc_requests, is_safe


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc] # no tzinfo among them


DAY = TimeRange(ms(2026, 6, 24, 4), ms(2026, 6, 25, 4))  # a day in New York


@pytest.mark.parametrize(
    ("bounds", "condition"),
    [
        (
            "both",
            "CreatedDateTime gt datetime'2026-06-23T23:59:59' and CreatedDateTime lt datetime'2026-06-25T00:00:01'",
        ),
        ("from", "CreatedDateTime gt datetime'2026-06-23T23:59:59'"),
        ("none", None),
    ],
)
def test_a_page_asks_for_a_range_of_creation_on_e2ccs_clock(bounds: Bounds, condition: str | None) -> None:
    request = e2cc_requests(account(), bounds).page(Page("/orders", 2, 1000, ("orderNbr", "status"), DAY))
    assert request.url.path == "/api/orders"
    asked = dict(request.url.params)
    assert asked.pop("conditions", None) == condition
    assert asked == {"pageSize": "1000", "page": "2", "fields": "orderNbr,status"}
    assert request.headers["Authorization"] == f"Bearer {ACCESS_KEY}"


def test_an_hour_more_is_asked_for_where_the_clocks_change() -> None:
    night = TimeRange(ms(2026, 11, 1, 5, 30), ms(2026, 11, 1, 6, 10))  # 1:30 with, 1:10 without daylight saving
    condition = dict(e2cc_requests(account()).page(Page("/orders", 1, 10, (), night)).url.params)["conditions"]
    first, last = condition.split("'")[1::2]
    assert first <= "2026-11-01T01:00:00"
    assert last >= "2026-11-01T01:59:59"


@pytest.mark.parametrize("number", ["SO057142", "AR-036248", "SH009876", "RM_1"])
def test_a_plain_number_may_be_in_an_address(number: str) -> None:
    assert is_safe(number)


@pytest.mark.parametrize("number", ["", "SO'1", "a/b", "..", "a b", "a?x=1", "é", "x" * 41, "-1", "SO1\n"])
def test_no_other_text_may_be_in_an_address(number: str) -> None:
    assert not is_safe(number)


def test_a_key_in_a_path_is_encoded() -> None:
    e2cc = e2cc_requests(account())
    assert e2cc.remove_key("a/b?c", for_good=False).url.raw_path == b"/api/access-key/a%2Fb%3Fc"
    assert e2cc.remove_key("k", for_good=True).url.query == b"action=delete"


@pytest.mark.parametrize(
    "wrong", [{"ACCESS_KEY": "a\nb"}, {"TIME_ZONE": "Mars"}, {"BASE_URL": "https://u:p@x.example"}]
)
def test_an_unusable_variable_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(SetUpError, match=next(iter(wrong))):
        e2cc_requests(account(**wrong))


def test_no_key_is_shown_with_the_requests() -> None:
    assert ACCESS_KEY not in repr(e2cc_requests(account()))
