"""e-Courier's examples as data: an event in and its SaveOrder out, an answer in and its meaning out."""

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import yaml

from tests.vendors.ecourier.conftest import created_of, sink_of, status_of
from workers.vendors.contract import Call
from workers.vendors.ecourier.outcome import outcome_of

CASES = Path(__file__).parent / "cases"
REQUESTS: list[dict[str, Any]] = yaml.safe_load((CASES / "requests.yaml").read_text())
OUTCOMES: list[dict[str, Any]] = yaml.safe_load((CASES / "outcomes.yaml").read_text())


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case["name"])
def test_an_event_becomes_the_request(case: dict[str, Any]) -> None:
    ecourier = sink_of(case.get("account"))
    event = created_of(**case["created"]) if "created" in case else status_of(**case["status"])
    call = ecourier.prepare(event)
    assert isinstance(call, Call)
    request = ecourier.preview(call)
    assert orjson.loads(request.content) == {"Order": case["order"]}
    assert str(request.url) == "https://post.example.e-courier.com/example/software/xml/ecJsonPost.asmx/SaveOrder"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["userguid"] == "***"
    assert call.note == case.get("note")
    assert call.size == len(request.content)
    assert call.group is None


def label(case: dict[str, Any]) -> str:
    return f"{case['operation']}-{case['answer']['status']}-{case['answer'].get('body', '')[:20]}"


@pytest.mark.parametrize("case", OUTCOMES, ids=label)
def test_an_answer_has_its_meaning(case: dict[str, Any]) -> None:
    answer = case["answer"]
    phrase = {"reason_phrase": answer["phrase"].encode()} if "phrase" in answer else {}
    response = httpx.Response(
        answer["status"],
        headers=answer.get("headers"),
        content=answer.get("body", "").encode(),
        extensions=phrase,
    )
    outcome = outcome_of(response, case["operation"], ["password-canary", "guid-canary"])
    assert type(outcome).__name__ == case["outcome"]
    assert case.get("says", "") in str(getattr(outcome, "detail", "")) + str(getattr(outcome, "reason", ""))
    assert getattr(outcome, "after", None) == case.get("after")
    assert getattr(outcome, "blocks_following", None) == case.get(
        "blocks_following", getattr(outcome, "blocks_following", None)
    )
    assert "guid-canary" not in repr(outcome)
    assert outcome.status == case.get("own", answer["status"])  # type: ignore[union-attr]
