"""Every name that is not the relay's own is one of OpenTelemetry's present names."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from opentelemetry import semconv
from opentelemetry.semconv import schemas
from opentelemetry.semconv._incubating.attributes.messaging_attributes import MessagingOperationTypeValues

from workers.core.delivery import outcome
from workers.core.trace import Wait
from workers.edges.telemetry import names

ROOT = Path(semconv.__path__[0])
# Names of former conventions that many instrumentations still use.
OUTDATED = (
    "messaging.operation", "messaging.kafka.consumer.group", "messaging.kafka.message.offset", "messaging.client_id",
    "messaging.kafka.destination.partition", "messaging.destination", "http.method", "http.url", "http.status_code",
    "http.resend_count", "net.peer.name", "net.peer.port",
)  # fmt: skip


def registry() -> Iterator[tuple[str, bool]]:
    """(name, whether it is deprecated) of every attribute in OpenTelemetry's own catalogue."""
    for file in sorted(ROOT.rglob("attributes/*_attributes.py")):
        body = ast.parse(file.read_text()).body
        for one, following in pairwise(body):
            if isinstance(one, ast.AnnAssign) and isinstance(one.value, ast.Constant):
                text = following.value.value if isinstance(following, ast.Expr) else ""  # type: ignore[attr-defined]
                yield str(one.value.value), "Deprecated" in text


def test_no_name_is_outdated() -> None:
    known = dict(registry())
    assert known["messaging.kafka.message.offset"], "the catalogue says what is deprecated"
    theirs = {name for name in names.ATTRIBUTES if not name.startswith("relay.")}
    assert not {name for name in theirs if known.get(name, True)}
    assert not names.ATTRIBUTES.keys() & set(OUTDATED)
    assert all(known.get(name, True) for name in OUTDATED)


def test_operations_are_of_a_present_type() -> None:
    assert {MessagingOperationTypeValues.PROCESS.value, MessagingOperationTypeValues.SEND.value} == {"process", "send"}


def test_the_catalogue_is_whole() -> None:
    texts = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    assert texts - {names.SCHEMA_URL, names.SCOPE} == names.ATTRIBUTES.keys()
    assert names.WAITS.keys() == set(Wait)
    words = {
        outcome.outcome_word(one) for one in (outcome.Delivered(), outcome.Delivered(found=True), outcome.Skipped(""))
    }
    assert words <= names.OUTCOMES.keys()


def test_schema_is_the_newest_that_the_sdk_knows() -> None:
    assert max((one.value for one in schemas.Schemas), key=_version) == names.SCHEMA_URL


def _version(url: str) -> list[int]:
    return [int(part) for part in url.rpartition("/")[2].split(".")]
