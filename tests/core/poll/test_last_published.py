"""The last published state tells what has changed, is packed without loss, and is dropped only when at rest."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.poll.change import (
    DIGEST_BYTES,
    PROGRESS,
    Progress,
    ProofOfDelivery,
    Stage,
    StageChange,
    VendorOrder,
    digest,
    event_id,
    stage_event,
)
from workers.core.poll.cursor import Cursor, first_cursor
from workers.core.poll.last_published import LastPublished, change_of, hash_fields, unpack_last_published
from workers.core.poll.shard_state import ShardState

FIELDS = ("stage", "note", "parcels")
NOW = 1_790_000_000_000
DAY = 86_400_000

stages = st.builds(
    Stage,
    name=st.text(max_size=60),
    code=st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
    description=st.text(max_size=60),
    progress=st.sampled_from(PROGRESS),
)


def order(stage: int = 10, **fields: Any) -> VendorOrder:
    found = Stage(str(stage), stage, f"stage {stage}", "delivered" if stage == 60 else "processing")
    return VendorOrder("A1", found, digest(stage), {"stage": stage, **fields}, account="acc", modified_ms=NOW)


@given(
    stage=stages,
    sequence=st.integers(0, 2**32 - 1),
    changed=st.integers(-(2**63), 2**63 - 1),
    content_digest=st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES),
    field_hashes=st.binary(max_size=40),
)
def test_a_row_is_read_back_as_it_was_written(
    stage: Stage, sequence: int, changed: int, content_digest: bytes, field_hashes: bytes
) -> None:
    row = LastPublished(sequence, changed, stage, content_digest, field_hashes)
    assert unpack_last_published(row.pack()) == row


def test_a_long_text_is_cut_between_two_characters() -> None:
    stage = Stage("é" * 300, None, "語" * 300, "unknown")
    found = unpack_last_published(LastPublished(1, 0, stage, b"x" * DIGEST_BYTES, b"1234").pack())
    assert (found.stage.name, found.stage.description, found.field_hashes) == ("é" * 127, "語" * 85, b"1234")


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="cut short"):
        unpack_last_published(b"short")


def test_the_same_content_is_no_change() -> None:
    found = change_of(None, order(10), fields=FIELDS, first_op="created", now_ms=NOW)
    assert found is not None
    assert change_of(found[1], order(10, note="new"), fields=FIELDS, first_op="created", now_ms=NOW) is None


def test_a_change_names_what_differs_since_the_event_before() -> None:
    """A field that differs without mattering is named in the next event."""
    first = change_of(None, order(10, note="a"), fields=FIELDS, first_op="created", now_ms=NOW)
    assert first is not None
    second = change_of(first[1], order(20, note="b", unlisted=1), fields=FIELDS, first_op="created", now_ms=NOW + 1)
    assert second is not None
    change, row = second
    assert (change.op, change.sequence, change.changed) == ("updated", 2, ("stage", "note"))
    assert change.previous == first[1].stage
    assert row.sequence == 2


def test_a_field_added_to_the_list_since_is_not_named() -> None:
    before = LastPublished(1, NOW, order(10).stage, digest(10), hash_fields({"stage": 10}, ("stage",)))
    found = change_of(before, order(20, note="x"), fields=FIELDS, first_op="created", now_ms=NOW)
    assert found is not None
    assert found[0].changed == ("stage",)


def test_a_field_that_one_of_two_readings_did_not_ask_for_is_not_named() -> None:
    """It is no null: an upgrade that asks for fewer fields would name all of them in each order's next event."""
    first = change_of(None, order(10, note="a"), fields=FIELDS, first_op="created", now_ms=NOW)
    assert first is not None
    second = change_of(
        first[1], replace(order(20), unread=frozenset({"note"})), fields=FIELDS, first_op="created", now_ms=NOW
    )
    assert second is not None
    third = change_of(second[1], order(30, note="b"), fields=FIELDS, first_op="created", now_ms=NOW)
    assert third is not None
    assert [one[0].changed for one in (second, third)] == [("stage",), ("stage",)]


def test_content_that_a_release_compares_for_the_first_time_makes_no_event_but_counts_from_then_on() -> None:
    """An upgrade publishes no known order again. Of an order at rest the dropped hashes stay dropped."""
    state, cursor = state_with(10)
    state.accept(state.tidied(["acc/A1"], cursor, now_ms=NOW + 500 * DAY, rest_ms=0, forget_ms=900 * DAY))
    before = state.last_published("acc/A1")

    def shown(serial: str) -> VendorOrder:
        return replace(order(10), digest=digest([10, serial]), former_digests=(digest(10),))

    upgrade = state.step([shown("S1"), shown("S1")], cursor, fields=FIELDS, now_ms=NOW + 1)
    assert not upgrade.changes
    state.accept(upgrade)
    assert before is not None
    assert state.last_published("acc/A1") == replace(before, digest=digest([10, "S1"]))
    assert state.step([shown("S1")], cursor, fields=FIELDS, now_ms=NOW + 2).is_empty
    (change,) = state.step([shown("S2")], cursor, fields=FIELDS, now_ms=NOW + 3).changes
    assert (change.op, change.sequence) == ("updated", 2)


@pytest.mark.parametrize(("progress", "swept"), [("shipped", True), ("closed_short", True), ("delivered", False)])
def test_a_sweep_reads_open_orders_and_those_closed_short(progress: Progress, swept: bool) -> None:
    """The parcels of an order that was closed short may still be on their way."""
    assert LastPublished(1, NOW, Stage("62", 62, "", progress), digest(1)).is_swept is swept


def test_an_event_id_holds_the_sequence_and_the_contents_digest() -> None:
    one, other = (change_of(None, order(n), fields=FIELDS, first_op="created", now_ms=NOW) for n in (10, 20))
    again = change_of(None, order(10), fields=FIELDS, first_op="snapshot", now_ms=NOW + 9)
    assert one is not None
    assert other is not None
    assert again is not None
    assert event_id("dcl", one[0]) == event_id("dcl", again[0]) != event_id("dcl", other[0])
    assert event_id("dcl", one[0]) == f"dcl:acc:A1:1:{digest(10).hex()}"
    assert stage_event("dcl", one[0])["previous"] is None


def test_an_event_holds_the_vendors_flags_and_the_proof_of_delivery() -> None:
    proof = ProofOfDelivery("A. Sample", NOW, "11/28/2014 11:05 AM")
    shown = replace(order(60), back_ordered=False, on_hold=True, proof_of_delivery=proof)
    event = stage_event("dcl", StageChange("created", 1, shown, None, (), NOW))
    assert (event["back_ordered"], event["on_hold"]) == (False, True)
    assert event["proof_of_delivery"] == {"name": "A. Sample", "at": NOW, "at_text": "11/28/2014 11:05 AM"}
    assert "A. Sample" not in repr(proof)
    silent = stage_event("dcl", StageChange("created", 1, order(60), None, (), NOW))
    assert (silent["back_ordered"], silent["on_hold"], silent["proof_of_delivery"]) == (None, None, None)


def state_with(*stages: int) -> tuple[ShardState, Cursor]:
    state, cursor = ShardState(), first_cursor(NOW, DAY)
    for stage in stages:
        state.accept(state.step([order(stage)], cursor, fields=FIELDS, now_ms=NOW))
    return state, cursor


def test_an_ended_order_is_compacted_then_forgotten_and_keeps_its_sequence_until_then() -> None:
    """A compacted row keeps sequence and digest: the same content makes no event, another the next in sequence."""
    state, cursor = state_with(10, 60)
    for later, is_compacted in ((DAY, False), (31 * DAY, True)):
        state.accept(state.tidied(["acc/A1"], cursor, now_ms=NOW + later, rest_ms=30 * DAY, forget_ms=400 * DAY))
        row = state.last_published("acc/A1")
        assert row is not None
        assert row.is_compacted is is_compacted
    assert not state.step([order(60)], cursor, fields=FIELDS, now_ms=NOW).changes
    (change,) = state.step([order(20)], cursor, fields=FIELDS, now_ms=NOW).changes
    assert (change.sequence, change.previous and change.previous.code, change.changed) == (3, 60, ())
    state.accept(state.tidied(["acc/A1"], cursor, now_ms=NOW + 401 * DAY, rest_ms=30 * DAY, forget_ms=400 * DAY))
    assert state.last_published("acc/A1") is None


def test_an_open_order_is_neither_compacted_nor_forgotten() -> None:
    state, cursor = state_with(10)
    step = state.tidied(["acc/A1"], cursor, now_ms=NOW + 900 * DAY, rest_ms=30 * DAY, forget_ms=400 * DAY)
    assert step.is_empty


def test_a_step_changes_the_state_only_when_it_is_accepted() -> None:
    state, cursor = state_with(10)
    before = dict(state.orders)
    state.step([order(20)], cursor, fields=FIELDS, now_ms=NOW)
    assert state.orders == before


def test_two_changes_of_an_order_in_one_reading_are_in_sequence() -> None:
    state, cursor = state_with()
    step = state.step([order(10), order(10), order(20)], cursor, fields=FIELDS, now_ms=NOW)
    assert [change.sequence for change in step.changes] == [1, 2]
