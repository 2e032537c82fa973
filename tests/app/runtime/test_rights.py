"""The rights in Kafka that a worker asks for: of all topics that it reads and writes."""

from pathlib import Path

from workers.app.config.configuration import load_configuration
from workers.app.runtime.rights import rights_of
from workers.edges.kafka.rights import Rights

CONFIGURATION = load_configuration({"RELAY_TOPOLOGY": str(Path(__file__).parents[3] / "topics.yaml")})


def rights(worker: str) -> Rights:
    return rights_of(CONFIGURATION.config.workers[worker], CONFIGURATION)


def test_a_sink_with_a_budget_reads_and_writes_where_its_account_counts_requests() -> None:
    assert "komet-poll-state" in set(rights("komet-sink").reads) & set(rights("komet-sink").writes)
    assert "komet-poll-state" not in rights("ecdp-sink").reads


def test_each_poller_of_an_account_reads_and_writes_where_the_first_one_counts_requests() -> None:
    """`relay check` names the right that it lacks; without it the second poller would read nothing."""
    second = CONFIGURATION.config.pollers["komet-poller"].model_copy(update={"name": "second", "state": "second-state"})
    found = rights_of(second, CONFIGURATION)
    assert {"second-state", "komet-poll-state"} <= set(found.reads) & set(found.writes)
    assert rights("komet-poller").writes.count("komet-poll-state") == 1


def test_a_poller_reads_where_the_sink_of_its_account_tracks_what_the_vendor_could_not_keep() -> None:
    assert "komet-tracked-orders" in rights("komet-poller").reads
    assert rights("e2cc-poller").reads == ("e2cc-poll-state",)
