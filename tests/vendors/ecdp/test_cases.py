"""ECDP's examples as data: an event in and its request out, an answer in and its meaning out."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.vendors.ecdp.conftest import created_of, sink_of, status_of
from workers.vendors.contract import Call
from workers.vendors.ecdp.outcome import outcome_of

CASES = Path(__file__).parent / "cases"
REQUESTS: list[dict[str, Any]] = yaml.safe_load((CASES / "requests.yaml").read_text())
OUTCOMES: list[dict[str, Any]] = yaml.safe_load((CASES / "outcomes.yaml").read_text())


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case["name"])
def test_an_event_becomes_the_request(case: dict[str, Any]) -> None:
    ecdp = sink_of(**case.get("options", {}))
    event = created_of(**case["created"]) if "created" in case else status_of(**case["status"])
    call = ecdp.prepare(event)
    assert isinstance(call, Call)
    request = ecdp.preview(call)
    assert f"{request.method} {request.url}" == case["request"]
    assert request.content.decode() == case["body"].replace(', "', ',"').replace("\n", "")
    assert call.payload.unmapped_zone == case.get("unmapped_zone")
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("case", OUTCOMES, ids=lambda case: f"{case['operation']}-{case['answer']['status']}")
def test_an_answer_has_its_meaning(case: dict[str, Any]) -> None:
    answer = case["answer"]
    response = httpx.Response(answer["status"], headers=answer.get("headers"), content=answer.get("body", "").encode())
    outcome = outcome_of(response, case["operation"], "key-canary")
    assert type(outcome).__name__ == case["outcome"]
    assert case.get("says", "") in repr(outcome)
    assert getattr(outcome, "after", None) == case.get("after")
    assert "key-canary" not in repr(outcome)
    assert outcome.status == case.get("own", answer["status"])  # type: ignore[union-attr]
