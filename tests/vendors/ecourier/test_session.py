"""e-Courier's login, driven by `next` and `send`."""

from typing import Any

import httpx
import orjson
import pytest

from tests.vendors.ecourier.conftest import session_of, talk_of
from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.vendors.contract import MaybeSent, NotSent
from workers.vendors.ecourier.outcome import outcome_of
from workers.vendors.ecourier.session import variables_faults

GUID = "{011114A4-5391-46E0-B576-9835485F5731}"
GRANTED = httpx.Response(200, json={"status": "0", "UserGUID": GUID})
DAY = 86_400.0


def request() -> httpx.Request:
    return httpx.Request("POST", "https://x.example/")


def test_a_given_guid_needs_no_login() -> None:
    signed, here = request(), session_of()
    here.sign(signed)
    assert signed.headers["UserGUID"] == here.token == "guid-canary"


@pytest.mark.parametrize("guid", ["", "a\nb", "żółw"])
def test_a_guid_that_a_header_cannot_hold_is_no_token(guid: str) -> None:
    here, unsigned = session_of({"USER_GUID": guid}), request()
    here.sign(unsigned)
    assert here.token is None
    assert "UserGUID" not in unsigned.headers


def test_a_login_brings_a_new_token() -> None:
    here, signed = session_of(), request()
    asked, refusal = talk_of(here.login(), GRANTED)
    assert [str(each.url.path.rpartition("/")[2]) for each in asked] == ["Login"]
    assert orjson.loads(asked[0].content) == {"website": "example", "username": "user1", "password": "password-canary"}
    assert refusal is None
    here.sign(signed)
    assert signed.headers["UserGUID"] == GUID


def test_a_changed_user_guid_replaces_the_guid_of_a_login() -> None:
    mounted = {"USER_GUID": "first"}
    here = session_of()
    here.credentials = here.credentials | mounted
    talk_of(here.login(), GRANTED)
    mounted["USER_GUID"] = "second"
    here.credentials = here.credentials | mounted
    assert here.token == "second"


@pytest.mark.parametrize("missing", ["WEBSITE", "USERNAME", "PASSWORD"])
def test_a_dead_guid_without_a_user_is_denied(missing: str) -> None:
    asked, refusal = talk_of(session_of({missing: ""}).login())
    assert asked == []
    assert isinstance(refusal, Denied)
    assert "USER_GUID" in refusal.reason


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(500, json={"status": "-4", "statusdescription": "Login failed"}), Denied),
        (httpx.Response(500, json={"status": "-6"}), Denied),
        (httpx.Response(200, json={"status": "-4"}), Denied),
        (httpx.Response(200, json={"status": "0"}), Denied),
        (httpx.Response(200, json={"status": "0", "UserGUID": "JSON Post Recieved"}), Denied),
        (httpx.Response(401), Denied),
        (httpx.Response(403), Denied),
        (httpx.Response(404), Denied),
        (httpx.Response(301, headers={"location": "https://elsewhere.example/"}), Denied),
        (httpx.Response(500, json={"status": "-1"}), Unavailable),
        (httpx.Response(500, json={"status": "-3"}), Unavailable),
        (httpx.Response(500), Unavailable),
        (httpx.Response(502, text="<html>"), Unavailable),
        (httpx.Response(503), Unavailable),
        (httpx.Response(200, text="<html>sign in</html>"), Unavailable),
        (httpx.Response(429), Throttled),
        (httpx.Response(503, headers={"retry-after": "2"}), Throttled),
        (NotSent("refused"), Unavailable),
        (MaybeSent("reset"), Unavailable),
    ],
    ids=str,
)
def test_a_login_that_fails_says_why(answer: Any, kind: type) -> None:
    here = session_of({"USER_GUID": ""})
    refusal = talk_of(here.login(), answer)[1]
    assert type(refusal) is kind
    assert here.token is None


def test_no_secret_shows_even_when_e_courier_echoes_it() -> None:
    here = session_of()
    said = f"password-canary is wrong for guid-canary and {GUID}"
    refusal = talk_of(here.login(), httpx.Response(500, json={"status": "-4", "statusdescription": said}))[1]
    assert "*** is wrong" in refusal.reason
    assert "canary" not in f"{refusal!r} {here!r}"
    assert GUID[1:-1] not in repr(refusal)


@pytest.mark.parametrize(
    ("answer", "dead"),
    [
        (httpx.Response(500, json={"status": "-5", "statusdescription": "No UserGUID Received"}), True),
        (httpx.Response(200, json={"status": -5}), True),
        (httpx.Response(401), True),
        (httpx.Response(403, text="<html>"), True),
        (httpx.Response(500, json={"status": "-6", "statusdescription": "No config file found"}), True),
        (httpx.Response(500, json={"status": "-4"}), False),
        (httpx.Response(200, json={"status": "0"}), False),
        (httpx.Response(200, json={"Order": {"x": "y" * 5000}, "status": "-5"}), False),
        (httpx.Response(500), False),
    ],
    ids=str,
)
def test_a_dead_token_is_known_by_its_answer(answer: httpx.Response, dead: bool) -> None:
    assert session_of().is_dead(answer) is dead


def test_without_a_login_a_missing_configuration_keeps_its_own_words() -> None:
    here, answer = session_of({"PASSWORD": ""}), httpx.Response(500, json={"status": "-6"})
    assert not here.is_dead(answer)
    assert here.is_dead(httpx.Response(500, json={"status": "-5"}))
    assert "ask the e-Courier customer's support" in outcome_of(answer, "save", []).reason  # type: ignore[union-attr]


def test_dead_statuses_are_configurable() -> None:
    here = session_of(dead_statuses=(-6, 440))
    assert here.is_dead(httpx.Response(440))
    assert here.is_dead(httpx.Response(500, json={"status": "-6"}))
    assert not here.is_dead(httpx.Response(401))
    assert not here.is_dead(httpx.Response(500, json={"status": "-5"}))


def test_an_unused_token_is_refreshed_before_it_expires() -> None:
    here = session_of()
    here.sign(request())
    assert here.renew(9 * DAY) is None
    asked, note = talk_of(here.renew(10 * DAY), GRANTED)
    assert [each.url.path.rpartition("/")[2] for each in asked] == ["RefreshGUID"]
    assert (here.token, note) == (GUID, None)


def test_a_given_guid_that_this_process_has_not_used_is_refreshed_at_once() -> None:
    """Whoever deploys every week would never refresh it, if its age counted from the process's start."""
    here, mounted = session_of(), {"USER_GUID": "guid-canary"}
    here.credentials = here.credentials | mounted
    for _ in range(2):
        assert here.renew(0.0) is not None
        here.sign(request())
        assert here.renew(0.0) is None
        here.credentials = here.credentials | {"USER_GUID": "the next one"}
    talk_of(here.login(), GRANTED)
    assert here.renew(0.0) is None  # a GUID of Login is as old as the process at most


@pytest.mark.parametrize(
    "answer", [httpx.Response(500), httpx.Response(200, json={"status": "-6"}), MaybeSent("reset")]
)
def test_a_refresh_that_fails_changes_nothing_and_is_counted(answer: Any) -> None:
    here = session_of()
    assert talk_of(here.renew(11 * DAY), answer)[1] == "guid_not_refreshed"
    assert here.token == "guid-canary"


def test_nothing_is_refreshed_without_a_token() -> None:
    assert session_of({"USER_GUID": ""}).renew(30 * DAY) is None


@pytest.mark.parametrize("variable", [{"BASE_URL": "ftp://x"}, {"TIME_ZONE": "nowhere"}])
def test_unusable_variables_are_denied_without_a_request(variable: dict[str, str]) -> None:
    assert isinstance(talk_of(session_of(variable).login())[1], Denied)
    assert talk_of(session_of(variable).renew(30 * DAY)) == ([], "guid_not_refreshed")


@pytest.mark.parametrize(
    ("account", "variable"),
    [
        ({}, None),
        ({"USER_GUID": ""}, None),
        ({"WEBSITE": "", "USERNAME": "", "PASSWORD": ""}, None),
        ({"USERNAME": "", "PASSWORD": ""}, None),
        ({"PASSWORD": ""}, "PASSWORD"),
        ({"WEBSITE": ""}, "WEBSITE"),
        ({"WEBSITE": "", "USERNAME": "", "PASSWORD": "", "USER_GUID": ""}, "USER_GUID"),
        ({"USERNAME": "", "PASSWORD": "", "USER_GUID": ""}, "USER_GUID"),
        ({"TIME_ZONE": "EST5"}, "TIME_ZONE"),
    ],
)
def test_at_least_one_way_to_log_in_is_needed(account: dict[str, str], variable: str | None) -> None:
    faults = list(variables_faults(session_of(account).credentials))
    assert [name for name, _ in faults] == ([variable] if variable else [])
    assert "canary" not in repr(faults)
