"""The changes that `relay topics` plans for a state of the cluster and the registry."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.ecdp_only import ECDP_ONLY
from tests.support.topics_yaml import load_config
from workers.app.config.specs import Config
from workers.app.topics.plan import Change, Facts, Verdict, plan, wanted
from workers.edges.kafka.admin import TopicState

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    file = tmp_path_factory.mktemp("plan") / "topics.yaml"
    file.write_text(ECDP_ONLY)
    shutil.copytree(ROOT / "schemas", file.parent / "schemas")
    return load_config(file, {})


@pytest.fixture
def there(config: Config) -> dict[str, TopicState]:
    return {name: wanted(topic) for name, topic in config.topics.items()}


def planned(config: Config, there: dict[str, TopicState], *, allow: bool = False, lag: int = 0) -> list[Change]:
    facts = Facts(topics=there, lags={sink.group: lag for sink in config.sinks.values()})
    return plan(config, facts, allow_repartition=allow)


def test_a_cluster_that_matches_topics_yaml_needs_no_change(config: Config, there: dict[str, TopicState]) -> None:
    assert planned(config, there) == []


def test_topics_and_settings_that_topics_yaml_does_not_name_are_left_alone(
    config: Config, there: dict[str, TopicState]
) -> None:
    there["other"] = TopicState(name="other", partitions=1, replication_factor=1)
    changed = {**there["order-created"].config, "segment.bytes": "1"}
    there["order-created"] = replace(there["order-created"], config=changed)
    assert planned(config, there) == []


def test_a_missing_topic_is_created(config: Config, there: dict[str, TopicState]) -> None:
    del there["order-status"]
    (change,) = planned(config, there)
    assert (change.topic, change.key, change.verdict) == ("order-status", "topic", Verdict.APPLY)


def test_each_configuration_value_is_a_change_of_its_own(config: Config, there: dict[str, TopicState]) -> None:
    changed = {**there["ecdp-parked"].config, "retention.ms": "604800000"}
    there["ecdp-parked"] = replace(there["ecdp-parked"], config=changed)
    assert planned(config, there) == [Change("ecdp-parked", "retention.ms", "604800000", "-1")]


def test_fewer_partitions_are_impossible_and_the_reason_is_given(config: Config, there: dict[str, TopicState]) -> None:
    there = {name: replace(topic, partitions=24) for name, topic in there.items()}
    changes = planned(config, there, allow=True)
    assert {change.verdict for change in changes} == {Verdict.IMPOSSIBLE}
    assert all("cannot take partitions away" in change.reason for change in changes)


def test_another_replication_factor_is_impossible(config: Config, there: dict[str, TopicState]) -> None:
    there["order-created"] = replace(there["order-created"], replication_factor=2)
    (change,) = planned(config, there)
    assert change.verdict is Verdict.IMPOSSIBLE
    assert "kafka-reassign-partitions" in change.reason


def test_min_insync_replicas_is_never_raised_above_the_replication_factor(
    config: Config, there: dict[str, TopicState]
) -> None:
    """The brokers would refuse every write to the topic."""
    changed = {**there["order-created"].config, "min.insync.replicas": "1"}
    there["order-created"] = replace(there["order-created"], replication_factor=1, config=changed)
    assert {change.verdict for change in planned(config, there)} == {Verdict.IMPOSSIBLE}


def test_partitions_of_parked_topics_and_of_their_sinks_other_topics_are_never_raised(
    config: Config, there: dict[str, TopicState]
) -> None:
    """With unequal partition counts, a sink's orders would lose their sequence."""
    there = {name: replace(topic, partitions=6) for name, topic in there.items()}
    changes = planned(config, there, allow=True)
    assert len(changes) == len(there)
    assert {change.verdict for change in changes} == {Verdict.IMPOSSIBLE}


def sources_alone(there: dict[str, TopicState]) -> dict[str, TopicState]:
    """The source topics alone, before the sink's own topics are created."""
    return {name: replace(topic, partitions=6) for name, topic in there.items() if name.startswith("order-")}


def test_partitions_are_raised_only_with_allow_repartition(config: Config, there: dict[str, TopicState]) -> None:
    changes = [change for change in planned(config, sources_alone(there)) if change.key == "partitions"]
    assert {change.verdict for change in changes} == {Verdict.ALLOW}
    changes = planned(config, sources_alone(there), allow=True)
    assert {change.verdict for change in changes} == {Verdict.APPLY}


def test_partitions_are_not_raised_while_the_consumer_group_has_lag(
    config: Config, there: dict[str, TopicState]
) -> None:
    changes = [c for c in planned(config, sources_alone(there), allow=True, lag=3) if c.key == "partitions"]
    assert {change.verdict for change in changes} == {Verdict.IMPOSSIBLE}
    assert all("a lag of 3 records" in change.reason for change in changes)


def test_a_schema_is_registered_unless_it_breaks_publishers_or_subscribers(
    config: Config, there: dict[str, TopicState]
) -> None:
    facts = Facts(topics=there, unregistered=("order-created", "order-status"), broken={"order-status": "it hurts"})
    assert plan(config, facts, allow_repartition=False) == [
        Change("order-created", "schema", "not registered", "registered"),
        Change("order-status", "schema", "not registered", "registered", Verdict.IMPOSSIBLE, "it hurts"),
    ]
