"""Published changes of an order are found by its numbers, and only the partitions of those are read."""

from types import SimpleNamespace
from typing import Any, cast

from tests.support.order_rig import EVENTS, PARTITIONS, STAGES, TRACKED, Cluster, timeline_of
from workers.app.inspect.order_timeline import Timeline, read_changes, read_tracked
from workers.core.record import Partition
from workers.edges.kafka.reader import partition_of
from workers.vendors.dcl.options import DclOptions
from workers.vendors.ecourier.options import EcourierOptions, EcourierPollerOptions


def stage(vendor: str, stage: str, before: str | None) -> dict[str, Any]:
    previous = None if before is None else {"stage": before}
    seen = {"observed_at": 9, "vendor_modified_at": 7}
    return {"vendor": vendor, "op": "updated", "stage": stage, "progress": "shipped", "previous": previous, **seen}


def topology(**dcl: Any) -> Any:
    """Both pollers, and the sink that derives e-Courier's order numbers."""
    pollers = {
        "dcl-poller": SimpleNamespace(vendor="dcl", publishes=(STAGES,), options=DclOptions(**dcl)),
        "ecourier-poller": SimpleNamespace(
            vendor="ecourier", publishes=(STAGES, EVENTS), options=EcourierPollerOptions()
        ),
    }
    sinks = {"ecourier-sink": SimpleNamespace(vendor="ecourier", options=EcourierOptions())}
    return SimpleNamespace(pollers=pollers, sinks=sinks)


def entries(timeline: Timeline) -> list[tuple[int, str, str]]:
    return [(one.at_ms, one.by, one.what) for one in sorted(timeline.entries, key=lambda one: one.at_ms)]


def test_changes_are_found_by_every_number_of_the_order_without_reading_other_partitions() -> None:
    cluster = Cluster()
    cluster.put(STAGES, "dcl:A-1", **stage("dcl", "Shipped", "Packed"))
    cluster.put(STAGES, "dcl:A-2", **stage("dcl", "Lost", None))
    event: dict[str, Any] = {"vendor": "ecourier", "occurred_at": 3, "order_status": "PU", "event_type": "Picked up"}
    cluster.put(EVENTS, "ecourier:N-1", **event)
    timeline = timeline_of(cluster, "A-1")
    read_changes(timeline, topology(), {"ecourier": {"N-1"}})
    assert entries(timeline) == [
        (3, "ecourier", "event Picked up, PU"),
        (7, "dcl", "stage Shipped, shipped (was Packed)"),
    ]
    keys = ("dcl:A-1", "ecourier:N-1", "ecourier:OR-A-1")
    assert {at.number for at in cluster.read} <= {partition_of(key.encode(), PARTITIONS) for key in keys}


def test_an_order_without_a_tracked_row_is_found_by_the_number_that_its_sink_derives() -> None:
    cluster = Cluster()
    cluster.put(STAGES, "ecourier:OR-A-1", **stage("ecourier", "X", "A"))
    timeline = timeline_of(cluster, "A-1")
    read_changes(timeline, topology(), {})
    assert entries(timeline) == [(7, "ecourier", "stage X, shipped (was A)")]


def test_all_events_of_a_vendor_are_searched_when_no_number_follows_from_the_order_id() -> None:
    cluster = Cluster()
    for number in range(8):
        cluster.put(STAGES, f"dcl:90{number}", **stage("dcl", f"S{number}", None), order_id=f"A-{number}")
    cluster.put(STAGES, "dcl:999", **stage("dcl", "S9", None), order_id=None, order_number="A-1")
    cluster.put(STAGES, "other:901", **stage("other", "S9", None), order_id="A-1")
    timeline = timeline_of(cluster, "A-1")
    read_changes(timeline, topology(order_id_from="po_number"), {})
    assert entries(timeline) == [(7, "dcl", "stage S1, shipped")]
    assert {at for at in cluster.read if at.topic == STAGES} == set(cluster.partitions(STAGES))
    assert {at for at in cluster.read if at.topic == EVENTS} == {
        Partition(EVENTS, partition_of(b"ecourier:OR-A-1", PARTITIONS))
    }


def test_an_order_that_its_vendor_renumbers_is_found_by_its_id_in_the_events() -> None:
    cluster = Cluster()
    cluster.put(STAGES, "komet:501", **stage("komet", "1", "0"), order_id="A-1")
    cluster.put(STAGES, "komet:77", **stage("komet", "4", None), order_id=None)
    pollers = {"komet-poller": SimpleNamespace(vendor="komet", publishes=(STAGES,), options=None)}
    timeline = timeline_of(cluster, "A-1")
    read_changes(timeline, cast("Any", SimpleNamespace(pollers=pollers, sinks={})), {"komet": {"77"}})
    assert entries(timeline) == [(7, "komet", "stage 1, shipped (was 0)")]


def test_the_vendors_number_is_read_from_the_orders_own_partition() -> None:
    cluster = Cluster()
    mark: dict[str, Any] = {"order_id": "A-1", "order_number": "N-1", "since": 4, "canceled_at": None}
    mark |= {"content_hash": "h"}
    cluster.put(TRACKED, "N-1", at="A-1", **mark)
    cluster.put(TRACKED, "N-2", at="A-1", **(mark | {"order_id": "A-2"}))
    cluster.put(TRACKED, "N-1", at="A-1", **(mark | {"canceled_at": 8}))
    timeline = timeline_of(cluster, "A-1")
    sink = SimpleNamespace(tracks=TRACKED, name="ecourier-sink")
    assert read_tracked(timeline, cast("Any", sink)) == ["N-1"]
    assert [(entry.at_ms, entry.what) for entry in timeline.entries] == [
        (4, "accepted by the vendor as N-1"),
        (8, "canceled at the vendor as N-1"),
    ]


def test_a_delivery_of_several_requests_shows_how_far_it_has_come_and_its_last_number_counts() -> None:
    cluster = Cluster()
    mark: dict[str, Any] = {"order_id": "A-1", "since": 4, "canceled_at": None}
    for number, content in (
        ("", "unfinished:begun"),
        ("12", "unfinished:open"),
        ("12", "h"),
        ("13", "unfinished:open"),
    ):
        cluster.put(TRACKED, "A-1", at="A-1", **mark, order_number=number, content_hash=content)
    sink = SimpleNamespace(tracks=TRACKED, name="komet-sink", vendor="komet")
    timeline = timeline_of(cluster, "A-1")
    timeline.asked_at_ms = 86_400_000
    assert read_tracked(timeline, cast("Any", sink)) == ["12", "13"]
    assert [entry.what for entry in timeline.entries] == [
        "not finished at the vendor: begun",
        "not finished at the vendor: open",
        "accepted by the vendor as 12",
        "not finished at the vendor: open",
        "half made since 1970-01-01T00:00:00.004Z: Komet Sales keeps it until 1970-01-04T00:00:00.004Z",
    ]
