"""Where fetching starts is decided from the commit and the log's bounds, never by guessing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.consume.commit_metadata import METADATA_LIMIT, FinishedOffsets, encode
from workers.core.consume.start_position import NeedsOperator, StartAt, decide_start, stop_reason
from workers.core.record import Partition

AT = Partition("order-status", 0)
TOLD = encode(AT, 50, 60, [50, 55])


@pytest.mark.parametrize(
    ("committed", "metadata", "earliest", "end", "expected"),
    [
        (None, None, 0, 0, StartAt(0)),
        (None, None, 40, 90, StartAt(40)),
        (None, TOLD, 40, 90, StartAt(40)),
        (50, None, 50, 50, StartAt(50)),
        (50, "", 40, 90, StartAt(50)),
        (50, "someone else's", 40, 90, StartAt(50)),
        (50, TOLD, 40, 60, StartAt(50, FinishedOffsets.parse(AT, 50, TOLD))),
        (0, None, 0, 90, StartAt(0)),
        (49, TOLD, 40, 90, StartAt(49, metadata_ignored=True)),
        (39, None, 40, 90, NeedsOperator("records 39 to 39 expired before they were read")),
        (0, TOLD, 40, 90, NeedsOperator("records 0 to 39 expired before they were read")),
        (91, None, 40, 90, NeedsOperator("the commit 91 lies beyond the log's end 90: the topic was recreated or cut")),
        (5, None, 0, 0, NeedsOperator("the commit 5 lies beyond the log's end 0: the topic was recreated or cut")),
        (
            50,
            TOLD,
            0,
            59,
            NeedsOperator("record 59 had finished, beyond the log's end 59: the topic was recreated or cut"),
        ),
    ],
)
def test_the_table(committed: int | None, metadata: str | None, earliest: int, end: int, expected: object) -> None:
    assert decide_start(AT, committed=committed, metadata=metadata, earliest=earliest, end=end) == expected


def test_a_commit_that_was_there_and_is_gone_starts_nothing_by_itself() -> None:
    """A broker forgets the commits of a topic that is deleted: what has its name now is another topic."""
    begins = decide_start(AT, committed=None, metadata=None, earliest=0, end=0, known=True)
    assert isinstance(begins, NeedsOperator)
    assert "its commit is gone: the topic was recreated, or the commit expired" in begins.reason
    assert decide_start(AT, committed=0, metadata=None, earliest=0, end=0, known=True) == StartAt(0)


@given(reason=st.text(max_size=9000), finished=st.sampled_from(["", TOLD]))
def test_a_commit_says_why_it_stopped_when_no_record_has_finished_beyond(reason: str, finished: str) -> None:
    """Within what Kafka takes. An owner that starts there reads on; finished records further on come first."""
    metadata = NeedsOperator(reason, damaged=True).metadata_or_reason(finished)
    assert len(metadata) <= METADATA_LIMIT
    assert (stop_reason(metadata) is None) == bool(finished)
    assert reason.startswith(stop_reason(metadata) or "")
    assert decide_start(AT, committed=50, metadata=metadata, earliest=0, end=90) == StartAt(
        50, FinishedOffsets.parse(AT, 50, finished)
    )


@given(
    committed=st.none() | st.integers(0, 100),
    metadata=st.none() | st.text() | st.just(TOLD),
    bounds=st.tuples(st.integers(0, 100), st.integers(0, 100)),
)
def test_a_start_never_moves_a_commit_nor_leaves_the_log(
    committed: int | None, metadata: str | None, bounds: tuple[int, int]
) -> None:
    """Whatever the metadata says, the offset is the commit's; only without one it is the earliest."""
    earliest, end = sorted(bounds)
    begins = decide_start(AT, committed=committed, metadata=metadata, earliest=earliest, end=end)
    if committed is None:
        assert begins == StartAt(earliest)
    elif isinstance(begins, StartAt):
        assert begins.offset == committed
        assert earliest <= committed <= end
        assert begins.finished is None or begins.finished.end <= end
    else:
        assert metadata == TOLD or not earliest <= committed <= end
