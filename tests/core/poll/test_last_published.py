"""A shadow tells what has changed, survives its bytes, and forgets only what may be forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.poll.change import DIGEST_BYTES, Seen, Stage, digest, event_id, stage_event
from workers.core.poll.cursor import Cursor, first_cursor
from workers.core.poll.last_published import LastPublished, change_of, field_prints, unpack
from workers.core.poll.progress import PROGRESS
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


def seen(stage: int = 10, **fields: Any) -> Seen:
    found = Stage(str(stage), stage, f"stage {stage}", "delivered" if stage == 60 else "processing")
    return Seen("A1", found, digest(stage), {"stage": stage, **fields}, account="acc", modified_ms=NOW)


@given(
    stage=stages,
    sequence=st.integers(0, 2**32 - 1),
    changed=st.integers(-(2**63), 2**63 - 1),
    mark=st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES),
    prints=st.binary(max_size=40),
)
def test_a_shadow_survives_its_bytes(stage: Stage, sequence: int, changed: int, mark: bytes, prints: bytes) -> None:
    shadow = LastPublished(sequence, changed, stage, mark, prints)
    assert unpack(shadow.pack()) == shadow


def test_a_long_text_is_cut_between_two_characters() -> None:
    stage = Stage("é" * 300, None, "語" * 300, "unknown")
    found = unpack(LastPublished(1, 0, stage, b"x" * DIGEST_BYTES, b"1234").pack())
    assert (found.stage.name, found.stage.description, found.prints) == ("é" * 127, "語" * 85, b"1234")


def test_bytes_that_are_no_shadow_are_refused() -> None:
    with pytest.raises(ValueError, match="cut short"):
        unpack(b"short")


def test_two_looks_with_the_same_content_are_no_change() -> None:
    found = change_of(None, seen(10), fields=FIELDS, new="created", now_ms=NOW)
    assert found is not None
    assert change_of(found[1], seen(10, note="new"), fields=FIELDS, new="created", now_ms=NOW) is None


def test_a_change_names_what_differs_since_the_event_before() -> None:
    """A field that differs without mattering is named beside the next one that does."""
    first = change_of(None, seen(10, note="a"), fields=FIELDS, new="created", now_ms=NOW)
    assert first is not None
    second = change_of(first[1], seen(20, note="b", unheard_of=1), fields=FIELDS, new="created", now_ms=NOW + 1)
    assert second is not None
    change, shadow = second
    assert (change.op, change.sequence, change.changed) == ("updated", 2, ("stage", "note"))
    assert change.previous == first[1].stage
    assert shadow.sequence == 2


def test_a_field_that_the_vendor_has_added_since_is_not_named() -> None:
    before = LastPublished(1, NOW, seen(10).stage, digest(10), field_prints({"stage": 10}, ("stage",)))
    found = change_of(before, seen(20, note="x"), fields=FIELDS, new="created", now_ms=NOW)
    assert found is not None
    assert found[0].changed == ("stage",)


def test_an_event_id_holds_the_content_and_its_place() -> None:
    one, other = (change_of(None, seen(n), fields=FIELDS, new="created", now_ms=NOW) for n in (10, 20))
    again = change_of(None, seen(10), fields=FIELDS, new="snapshot", now_ms=NOW + 9)
    assert one is not None
    assert other is not None
    assert again is not None
    assert event_id("dcl", one[0]) == event_id("dcl", again[0]) != event_id("dcl", other[0])
    assert event_id("dcl", one[0]) == f"dcl:acc:A1:1:{digest(10).hex()}"
    assert stage_event("dcl", one[0])["previous"] is None


def state_with(*stages: int) -> tuple[ShardState, Cursor]:
    state, cursor = ShardState(), first_cursor(NOW, DAY)
    for stage in stages:
        state.accept(state.step([seen(stage)], cursor, fields=FIELDS, now_ms=NOW))
    return state, cursor


def test_an_order_at_its_end_rests_then_is_forgotten_but_never_begins_again_before() -> None:
    """A stub keeps the sequence and the hash: the same content is no news, another is the next in sequence."""
    state, cursor = state_with(10, 60)
    for later, rests in ((DAY, False), (31 * DAY, True)):
        state.accept(state.tidied(["acc/A1"], cursor, now_ms=NOW + later, rest_ms=30 * DAY, forget_ms=400 * DAY))
        shadow = state.shadow("acc/A1")
        assert shadow is not None
        assert shadow.is_stub is rests
    assert not state.step([seen(60)], cursor, fields=FIELDS, now_ms=NOW).changes
    (change,) = state.step([seen(20)], cursor, fields=FIELDS, now_ms=NOW).changes
    assert (change.sequence, change.previous and change.previous.code, change.changed) == (3, 60, ())
    state.accept(state.tidied(["acc/A1"], cursor, now_ms=NOW + 401 * DAY, rest_ms=30 * DAY, forget_ms=400 * DAY))
    assert state.shadow("acc/A1") is None


def test_an_open_order_neither_rests_nor_is_forgotten() -> None:
    state, cursor = state_with(10)
    step = state.tidied(["acc/A1"], cursor, now_ms=NOW + 900 * DAY, rest_ms=30 * DAY, forget_ms=400 * DAY)
    assert step.rows == {}


def test_a_step_that_was_not_written_changes_nothing() -> None:
    state, cursor = state_with(10)
    before = dict(state.shadows)
    state.step([seen(20)], cursor, fields=FIELDS, now_ms=NOW)
    assert state.shadows == before


def test_an_order_that_a_reading_shows_twice_changes_in_sequence() -> None:
    state, cursor = state_with()
    step = state.step([seen(10), seen(10), seen(20)], cursor, fields=FIELDS, now_ms=NOW)
    assert [change.sequence for change in step.changes] == [1, 2]
