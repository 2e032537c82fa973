"""Kafka's errors become one line that says what happened and what to do, without a secret."""

import pytest
from kafka.errors import (
    FencedInstanceIdError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    MessageSizeTooLargeError,
    SaslAuthenticationFailedError,
)

from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.errors import NotAcknowledgedError, describe, kafka_errors, membership_error, write_error
from workers.edges.kafka.owner import Member
from workers.edges.kafka.reach.causes import Unreachable, cause_of

NOWHERE = KafkaConnection(bootstrap=("127.0.0.1:9",), password="canary-77aa")
MEMBER = Member(NOWHERE, "the-group", "one")


def test_a_refused_password_names_the_settings_and_shows_no_secret() -> None:
    assert "canary" not in repr(NOWHERE)
    with pytest.raises(KafkaFailed, match="KAFKA_SASL_USERNAME") as caught, kafka_errors(NOWHERE):
        raise SaslAuthenticationFailedError("canary-77aa")
    assert "canary" not in str(caught.value)


def test_a_broken_pipe_of_our_own_output_is_no_fault_of_kafka() -> None:
    """`relay parked list | head` writes while it reads."""
    with pytest.raises(BrokenPipeError), kafka_errors(NOWHERE):
        raise BrokenPipeError
    with pytest.raises(KafkaFailed), kafka_errors(NOWHERE):
        raise OSError(24, "too many open files")


def test_an_answer_that_does_not_come_is_no_fault_of_a_certificate() -> None:
    with pytest.raises(KafkaFailed) as caught, kafka_errors(NOWHERE):
        raise TimeoutError
    assert str(caught.value) == "Kafka at 127.0.0.1:9 answers too slowly, or not at all"


def test_a_fenced_member_is_told_to_use_its_own_instance_id() -> None:
    assert "RELAY_INSTANCE_ID" in str(membership_error(FencedInstanceIdError(), MEMBER))


def test_a_missing_right_on_the_group_is_named_as_one() -> None:
    error = membership_error(GroupAuthorizationFailedError("the-group"), MEMBER)
    assert isinstance(error, KafkaFailed)
    assert "ask for an ACL" in str(error)


def test_an_error_that_is_not_kafkas_stays_as_it_is() -> None:
    ours = ZeroDivisionError()
    assert membership_error(ours, MEMBER) is ours


def test_a_record_that_replicas_do_not_acknowledge_asks_for_their_number() -> None:
    assert "min.insync.replicas" in str(write_error(NotAcknowledgedError(10)))


def test_a_record_that_is_too_large_names_the_setting_and_no_kind_of_topic() -> None:
    """A poller writes to topics too that are no parked ones."""
    text = str(write_error(MessageSizeTooLargeError()))
    assert "max.message.bytes" in text
    assert "parked" not in text


def test_an_unreachable_cluster_has_one_sentence_with_cause_and_settings_to_check() -> None:
    error = Unreachable("127.0.0.1:9", cause_of(KafkaConnectionError("111 ECONNREFUSED")))
    with pytest.raises(KafkaFailed) as caught, kafka_errors(NOWHERE):
        raise error
    sentence = "cannot reach Kafka at 127.0.0.1:9: connection refused; check that it runs, and KAFKA_BOOTSTRAP_SERVERS"
    assert str(caught.value) == str(write_error(error)) == describe(error) == sentence
