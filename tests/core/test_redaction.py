"""No string of a record reaches the log or a header, however a vendor repeats it."""

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from workers.core.redaction import DETAIL_LIMIT, redact, strings_of, without_secrets

ANY = st.characters(exclude_characters="*")  # the mask itself is made of them
SHORT = st.text(st.sampled_from("abAB -.@é"), min_size=1, max_size=3)
WORDS = (
    st.text(ANY, min_size=1, max_size=12) | SHORT | st.text(st.sampled_from("aßİ\u0131\u017fΣ ﬁŉ\u0345i-"), min_size=1)
)
CASES: list[Callable[[str], str]] = [str, str.upper, str.lower, str.title, str.casefold, str.swapcase, str.capitalize]
PIECES = st.tuples(WORDS, st.sampled_from(CASES), st.sampled_from(["", " ", "\n", ": ", "x", "-", "'"]))


def shown(word: str) -> str:
    return " ".join(word.split())


def touches_a_letter(text: str, start: int, stop: int) -> bool:
    """Part of a longer word, in some case: a mark that is a letter in capitals (U+0345) counts too."""
    near = text[max(0, start - 1) : start] + text[stop : stop + 1]
    return bool(re.search(r"\w", near + near.upper()))


@given(pieces=st.lists(PIECES, max_size=8), more=st.lists(WORDS, max_size=3))
@example([("Straße", str.upper, "")], [])
@example([("Kap\u0131", str.upper, "")], [])
@example([("ab", str, ""), ("Smith", str, "")], [])
@example([("b", str, ""), ("-", str, "")], [])
@example([("Ana\nMaria", str, "")], ["Ana Maria"])
def test_no_string_of_the_content_survives(pieces: list[tuple[str, Any, str]], more: list[str]) -> None:
    """In any case and spacing; one of fewer than four characters only inside a longer word."""
    words = [word for word, _, _ in pieces] + more
    output = redact("".join(case(word) + after for word, case, after in pieces), {"deep": [words]})
    for word in filter(str.strip, words):
        for case in CASES:
            survivor = shown(case(word))
            for found in re.finditer(f"(?={re.escape(survivor)})", output):
                stop = found.start() + len(survivor)
                inside = len(shown(word)) < 4 and touches_a_letter(output, found.start(), stop)
                assert inside or stop == DETAIL_LIMIT, (word, survivor, output)


@given(text=st.text(max_size=1_500), words=st.lists(st.text(max_size=5), max_size=5))
def test_it_is_always_one_line_of_at_most_500_characters(text: str, words: list[str]) -> None:
    output = redact(text, words)
    assert len(output) <= DETAIL_LIMIT
    assert len(output.splitlines()) <= 1
    assert "  " not in output


@given(text=st.text(st.characters(exclude_characters="\0"), max_size=400))
def test_what_is_not_of_the_content_is_left_as_it_is(text: str) -> None:
    assume(len(shown(text)) <= DETAIL_LIMIT)
    assert redact(text, {"number": 7, "none": None, "empty": "", "blank": " "}) == shown(text)


@pytest.mark.parametrize(
    ("text", "content", "expected"),
    [
        ("customer.email: 'Ann@Example.org' is taken", {"email": "ann@example.org"}, "customer.email: '***' is taken"),
        ("state NY unknown, any other?", {"state": "ny"}, "state *** unknown, any other?"),
        ("an e-mail is missing - or wrong", {"note": "-"}, "an e-mail is missing *** or wrong"),
        ("price €5 of €", {"sign": "€"}, "price €5 of ***"),
        ("Anna-Maria Anna", {"first": "Anna", "full": "Anna-Maria"}, "*** ***"),
        ("SMITHJONES", ["Smith", "Jones"], "***"),
        ("a\0b", {}, "a***b"),
        ("a  b\tc\r\nd", {}, "a b c d"),
    ],
)
def test_examples(text: str, content: Any, expected: str) -> None:
    assert redact(text, content) == expected


def test_a_string_is_masked_before_the_text_is_cut() -> None:
    """Else the first half of an address at the border would stay readable."""
    output = redact("x" * 495 + " 12 Long Street", ["12 Long Street"])
    assert output == "x" * 495 + " ***"


def test_a_word_that_is_nobodys_data_stays() -> None:
    content = {"status": "canceled", "reason": "moved away"}
    text = "It can no longer be canceled: moved away."
    assert redact(text, content, {"canceled"}) == "It can no longer be canceled: ***."
    refused = "Komet refuses KOMET_TOKEN of komet"
    assert redact(refused, {"channel": "komet"}, {"KOMET_TOKEN"}) == "*** refuses KOMET_TOKEN of ***"


def test_strings_are_found_however_deep() -> None:
    content = {"a": "1", "b": [{"c": ("2", ["3"])}, 4, None, b"5"], "d": {"e": {"f": "6"}}}
    assert list(strings_of(content)) == ["1", "2", "3", "6"]


@pytest.mark.parametrize(
    ("text", "shown_of_it"),
    [
        ("GET https://k.example/invoice.list?a=1&authenticationToken={}&b=2", "***"),
        ("<ClientResponse(https://k.example/x?authenticationToken={}) [200 OK]>", "***"),
        ("?updatedAsOf=2026-11-01&API_KEY={}#top", "***"),
        ("/x?accessToken={}", "***"),
        ("DELETE https://e2cc.example/api/access-key/{}?action=delete", "***"),
        ('{{"authenticationToken": "{}", "invoiceId": 5}}', "***"),
        ("(b'authenticationToken', b'{}'), (b'X-ACCOUNT', b'7')", "***"),
        ("authenticationToken: {}", "***"),
        (r'{{"detail":"{{\"authenticationToken\":\"{}\"}}"}}', "***"),
        ("TOKEN is {}", "S3CRET"),
        ("set E2CC_ACCESS_KEY_FILE={} of /run", "S3CRET"),
        ("authenticationToken is {}, or wrong", "S3CRET"),
    ],
)
def test_a_secret_is_masked_where_its_name_says_so(text: str, shown_of_it: str) -> None:
    assert without_secrets(text.format("S3CRET")) == text.format(shown_of_it)
    assert redact(text.format("S3CRET"), {}) == text.format(shown_of_it)


@given(token=st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_any_token_in_a_query_string_is_masked(token: str) -> None:
    sent = urlencode({"from": "1", "authenticationToken": token})
    assert without_secrets(f"https://k.example/x?{sent}") == "https://k.example/x?from=1&authenticationToken=***"


CANARIES = [
    "Jane \u00dcmlaut-Canary",
    "jane.canary+x@example.com",
    '12 "Main" St/2',
    "+1 555 010 99",
    "\u5c71\u7530\u592a\u90ce\u69d8",
]


def in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("before", ["", "x", "xy"])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("encoded", [quote, quote_plus, json.dumps, html.escape])
def test_no_string_survives_in_another_encoding(
    canary: str, before: str, encoded: Callable[[str], str], times: int
) -> None:
    """Gateways echo a request percent-encoded, as JSON or as HTML, and another one what the first has said."""
    said = before + canary
    for _ in range(times):
        said = encoded(said)
    output = redact(f"refused: {said} end", {"customer": canary})
    pieces = re.findall(r"[A-Za-z0-9]{4,}", canary) or [canary]
    assert "***" in output
    assert not [piece for piece in pieces if piece in output]


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_no_string_survives_in_base64(canary: str, before: str) -> None:
    output = redact(f"refused: {in_base64(before + canary)} end", {"customer": canary})
    assert "***" in output
    assert in_base64(canary)[4:-4] not in output
