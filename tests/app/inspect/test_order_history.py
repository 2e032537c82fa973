"""The published records of an order are found as the sinks read them."""

from types import SimpleNamespace
from typing import Any, cast

from tests.support.order_rig import Cluster, timeline_of
from workers.app.inspect.order_history import read_timeline

CREATED, STATUS = "order-created", "order-status"


def test_the_id_in_the_value_decides_and_the_key_only_if_the_value_is_undecodable() -> None:
    cluster = Cluster()
    order: dict[str, Any] = {"order": {"order_id": "A-1", "note": "A-1"}}
    cluster.put(CREATED, "A-1", **order)
    cluster.put(CREATED, "wrong", at="A-1", **order)
    cluster.put(CREATED, "A-1", order={"order_id": "A-2"})
    cluster.put(CREATED, "A-2", at="A-1", order={"order_id": "A-2", "note": "like A-1"})
    cluster.put(STATUS, "A-1", at="A-1")
    cluster.put(STATUS, "A-2", at="A-1", order_id="A-1", status="paid")
    sink: Any = SimpleNamespace(
        name="ecdp-sink", vendor="ecdp", group="g", consumes=(CREATED, STATUS), parks="p", parked_state="s", tracks=None
    )
    timeline = timeline_of(cluster, "A-1")
    read_timeline(timeline, cast("Any", SimpleNamespace(sinks={"ecdp-sink": sink}, pollers={})), lambda _: {})
    assert [(one.where.topic, one.offset, one.what) for one in timeline.entries if one.by == "publisher"] == [
        (CREATED, 0, "order published"),
        (CREATED, 1, "order published"),
        (STATUS, 4, "published, undecodable"),
        (STATUS, 5, "status paid published"),
    ]
