"""The group coordinator's answers about the membership reach the relay, with the time of the question."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.future import Future
from kafka.protocol.consumer import HeartbeatRequest, OffsetFetchRequest, SyncGroupRequest

from workers.edges.kafka.client_patches.membership import watch_membership

CONFIRMS = {0: "NONE", 27: "REBALANCE_IN_PROGRESS"}
REFUSES = {22: "ILLEGAL_GENERATION", 25: "UNKNOWN_MEMBER_ID", 82: "FENCED_INSTANCE_ID"}
SAYS_NEITHER = {15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR", 30: "GROUP_AUTHORIZATION_FAILED"}


def told(request: object, error_code: int) -> list[Any]:
    """What the watcher is told of an answer that comes a while after the request."""
    sent, clock, told = Future(), iter((1.0, 2.0)), list[Any]()
    connections = SimpleNamespace(send=lambda *_, **__: sent)
    consumer: Any = SimpleNamespace(_coordinator=SimpleNamespace(_manager=connections))
    watch_membership(consumer, lambda: next(clock), told.append)
    assert connections.send(request, node_id=1) is sent
    sent.success(SimpleNamespace(error_code=error_code))
    return told


@pytest.mark.parametrize("request_type", [HeartbeatRequest, SyncGroupRequest])
def test_each_answer_about_the_membership_is_told_with_the_time_of_the_question(request_type: Any) -> None:
    assert [told(request_type(), code) for code in CONFIRMS] == [[1.0]] * len(CONFIRMS)
    assert [told(request_type(), code) for code in REFUSES] == [[None]] * len(REFUSES)
    assert not any(told(request_type(), code) for code in SAYS_NEITHER)


def test_answers_to_other_requests_say_nothing_of_the_membership() -> None:
    assert told(OffsetFetchRequest(), 0) == []
