"""E2CC's access keys: a secret is shown once, and no text holds one."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.vendors.e2cc.account import ACCESS_KEY, Account, account, answer
from workers.core.delivery.outcome import Denied, Rejected, Unavailable, Unknown, UnknownOrder
from workers.vendors.commands import Given
from workers.vendors.contract import Flow, MaybeSent
from workers.vendors.e2cc.commands import COMMANDS
from workers.vendors.e2cc.keys import KeyRecord, create_key, list_keys, remove_key, rotate_key, shown_key

OTHER = "other-4b7c-whole-secret"
RECORD = {"partialKey": "Zsl56AqsL6", "label": "nightly-sync", "status": "active", "permissions": []}
MADE = answer({"key": "Zsl56AqsL6-new", "accessKey": RECORD}, 201)

FLOWS: list[Callable[[Account], Flow[Any]]] = [
    lambda ours: create_key(ours, {"label": "x"}),
    lambda ours: rotate_key(ours, OTHER, {}),
    lambda ours: remove_key(ours, OTHER, for_good=True),
    list_keys,
]


def talk(flow: Flow[Any], *answers: httpx.Response | Exception) -> tuple[Any, list[httpx.Request]]:
    asked: list[httpx.Request] = []
    try:
        asked.append(next(flow))
        for each in answers:
            request = flow.throw(each) if isinstance(each, Exception) else flow.send(each)
            asked.append(request)
    except StopIteration as stop:
        return stop.value, asked
    pytest.fail("the flow asks for more")


def test_a_new_key_is_its_record_and_its_secret() -> None:
    made, [request] = talk(create_key(account(), {"label": "nightly-sync", "expiresInDays": 365}), MADE)
    assert made == KeyRecord(RECORD, "Zsl56AqsL6-new")
    assert "new" not in repr(made)
    assert (request.method, request.url.path) == ("POST", "/api/access-key")
    assert request.content == b'{"label":"nightly-sync","expiresInDays":365}'


def test_without_a_key_the_workers_own_is_rotated() -> None:
    made, [request] = talk(rotate_key(account(), "", {}), answer({"key": "new"}))
    assert made == KeyRecord({}, "new")
    assert (request.method, request.url.path) == ("PATCH", f"/api/access-key/{ACCESS_KEY}")


def test_a_key_is_revoked_or_deleted() -> None:
    for for_good, query, status in ((False, b"", "revoked"), (True, b"action=delete", "deleted")):
        done, [request] = talk(remove_key(account(), "Zsl56AqsL6", for_good=for_good), answer({}))
        assert done == KeyRecord({"status": status})
        assert (request.method, request.url.query) == ("DELETE", query)


def test_keys_are_listed_to_the_page_that_brings_none_without_what_may_be_a_secret() -> None:
    first = answer({"data": [RECORD | {"key": OTHER, "hash": OTHER}], "pagination": {}})
    found, asked = talk(list_keys(account()), first, answer({"data": []}))
    assert found == [KeyRecord(RECORD)]
    assert [request.url.params["page"] for request in asked] == ["1", "2"]
    assert talk(list_keys(account()), first, first)[0] == found, "the page number is ignored"


def test_the_list_of_keys_is_narrowed_by_e2cc() -> None:
    command = next(one for one in COMMANDS if one.name == "keys list")
    given = Given(values={"search": "nightly & co", "status": "revoked"})
    _, [request] = talk(command.flow(None, account(), given), answer({"data": []}))
    assert dict(request.url.params) == {"page": "1", "pageSize": "100", "search": "nightly & co", "status": "revoked"}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        (401, (Denied,)),
        (403, (Denied,)),
        (404, (UnknownOrder, Denied)),
        (400, (Rejected, Unavailable)),
        (500, (Unknown, Unavailable)),
    ],
)
def test_a_refusal_says_why_without_a_key(flow: Any, status: int, kinds: tuple[type, ...]) -> None:
    _, [request] = talk(flow(account()), answer({}, 403))
    found, _ = talk(flow(account()), answer({"error": f"{ACCESS_KEY} in {request.url.path}"}, status))
    assert isinstance(found, kinds)
    assert "secret" not in repr(found)


@pytest.mark.parametrize("flow", FLOWS[:2])
@pytest.mark.parametrize("given", [answer({}, 201), answer([]), MaybeSent("reset"), httpx.Response(200)])
def test_a_secret_that_was_lost_is_said_to_be(flow: Any, given: Any) -> None:
    found, _ = talk(flow(account()), given)
    assert isinstance(found, Unknown)
    assert "keys list" in found.reason or "perhaps" in found.reason


def test_a_whole_key_is_never_shown() -> None:
    assert shown_key("Zsl56AqsL6") == "Zsl56AqsL6"
    assert shown_key(OTHER) == "other-4b7c..."
    assert shown_key(ACCESS_KEY, ACCESS_KEY) == "the worker's own key"
