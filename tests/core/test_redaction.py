"""No string of a record reaches the log or a header, however a vendor repeats it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from workers.core.redaction import DETAIL_LIMIT, redact, strings_of

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


def test_strings_are_found_however_deep() -> None:
    content = {"a": "1", "b": [{"c": ("2", ["3"])}, 4, None, b"5"], "d": {"e": {"f": "6"}}}
    assert list(strings_of(content)) == ["1", "2", "3", "6"]
