"""What a move of offsets passes over, and what it repeats: by the commit and the finished records beyond it."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from workers.app.inspect.moves import Consequences, OffsetMove, consequences
from workers.core.consume.commit_metadata import FinishedOffsets, encode
from workers.core.record import CommitPoint, Partition, Record
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.client_patches.fetches import DamagedError

AT = Partition("order-created", 0)
END = 10
SOME_FINISHED = CommitPoint(4, encode(AT, 4, 8, [4, 6]))  # 5 and 7 have finished beyond the commit


class Log:
    """A partition of ten records, each of an order of its own."""

    def __init__(self, damaged: int) -> None:
        self._damaged = damaged

    def stretch(self, partition: Partition, first: int, end: int) -> Iterator[list[Record]]:
        for offset in range(first, end):
            if offset == self._damaged:
                raise DamagedError(partition, offset, "checksum")
            yield [Record(*partition, offset, 0, f"O{offset}".encode(), b"")]


class KeysOnly:
    def order_id(self, *_: object) -> str:
        raise Undecodable("no schema")


def found(move: OffsetMove, damaged: int = 100) -> Consequences:
    return consequences(cast("Any", Log(damaged)), cast("Any", KeysOnly()), [move], lambda *_: None)


@pytest.mark.parametrize(
    ("commit", "target", "passed_over", "again"),
    [
        (SOME_FINISHED, 10, ["O4", "O6", "O8", "O9"], []),
        (SOME_FINISHED, 6, ["O4"], []),
        (SOME_FINISHED, 4, [], []),
        (SOME_FINISHED, 2, [], ["O2", "O3", "O5", "O7"]),
        (None, 3, ["O1", "O2"], []),
        (CommitPoint(0, ""), 3, ["O1", "O2"], []),
        (CommitPoint(12, ""), 10, [f"O{offset}" for offset in range(1, 10)], []),
        (CommitPoint(12, ""), 1, [], []),
    ],
    ids=["latest", "between", "no move", "back", "no commit", "expired", "recreated: latest", "recreated: earliest"],
)
def test_a_record_is_passed_over_if_it_is_unfinished_and_repeated_if_it_is_finished(
    commit: CommitPoint | None, target: int, passed_over: list[str], again: list[str]
) -> None:
    what = found(OffsetMove(AT, commit, 1, END, target))
    assert (what.passed_over.first, what.again.first) == (passed_over, again)
    assert what.any == bool(passed_over or again)


def test_what_finished_beyond_the_target_stays_finished_unless_the_move_goes_back() -> None:
    forward, back = (OffsetMove(AT, SOME_FINISHED, 1, END, target).metadata for target in (6, 2))
    kept = FinishedOffsets.parse(AT, 6, forward)
    assert kept is not None
    assert [offset for offset in range(6, END) if offset in kept] == [7]
    assert back == ""


def test_a_place_that_cannot_be_read_is_named_and_ends_the_count() -> None:
    what = found(OffsetMove(AT, CommitPoint(4, ""), 1, END, 10), damaged=6)
    assert (what.passed_over.first, what.unreadable) == (["O4", "O5"], [f"{AT}@6"])


def test_the_first_ten_orders_are_named_and_all_are_counted() -> None:
    what = found(OffsetMove(AT, None, 0, 12, 12)).passed_over
    assert (what.records, len(what.orders), len(what.first)) == (12, 12, 10)
