"""Of a vendor's words about records that we do not have, only impersonal words are shown."""

import pytest

from workers.core.plain_words import plain_words


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Cannot read order 12345678 of Ada Lovelace, ada@example.com.", "Cannot read order *** of ***, ***."),
        ("call +49 555 0199 or 555 0199 77", "call *** or ***"),
        ("customer 'Ümit' of ADA&CO is unknown", "customer '***' of *** is unknown"),
        ("value=Q2FuYXJ5IE11ZyBmb3IgQWRh or %C3%BCmit", "value=*** or ***"),
        ('{"email": "ada@example.com"}', '{"email": "***"}'),
        ("CANARY-COUPON-77/B \u00fcmit \\u00fcmit &uuml;mit", "***"),
    ],
)
def test_what_may_be_a_persons_is_hidden(said: str, shown: str) -> None:
    assert plain_words(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "HTTP 500, status -3: Database unavailable; try again in 30s",
        "HTTP 401: DCL refuses the login; are USERNAME and PASSWORD right?",
        "Scheduled maintenance until 2026-11-28 17:30",
        "cannot connect to api.example.com:443: certificate verify failed",
        "no connection to 127.0.0.1:8080 within 10 s (connection refused)",
        "1000 pages do not hold the shop's inventory; is 'page' ignored?",
        "a page of /orders is too long; lower page_size in topics.yaml",
        "HTTP 200 without DCL's envelope",
        "the answer is longer than 16777216 bytes",
        "the account's budget of requests is spent for 87859.1 s; one request asks again every 300 s",
    ],
)
def test_usual_words_of_an_error_are_shown(said: str) -> None:
    assert plain_words(said) == said
