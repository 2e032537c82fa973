"""Members that do not commit any more are named, with their partitions and the end of their session."""

from collections.abc import Mapping

from workers.app.inspect.absent_members import AbsentMember, absent_members
from workers.core.consume.commit_metadata import stamped
from workers.core.record import CommitPoint, Partition

NOW_S = 1_770_000_000
GONE, IDLE, BUSY, NEW = (Partition("orders", number) for number in range(4))


def commits(ages_s: Mapping[Partition, int], text: str = "") -> dict[Partition, CommitPoint]:
    return {at: CommitPoint(5, stamped(text, NOW_S - age_s)) for at, age_s in ages_s.items()}


def test_a_member_whose_commits_have_stopped_is_absent_until_its_session_ends() -> None:
    committed = commits({GONE: 20, IDLE: 9_000, BUSY: 1}) | {NEW: CommitPoint(0, "")}
    assignments = {"gone": [GONE], "present": [IDLE, BUSY], "new": [NEW], "newer": [Partition("orders", 9)]}
    (found,) = absent_members(assignments, committed, NOW_S, session_s=45)
    assert found == AbsentMember("gone", (GONE,), (NOW_S - 20 + 45) * 1000)


def test_what_had_finished_beyond_the_commit_does_not_hide_its_time() -> None:
    assert absent_members({"gone": [GONE]}, commits({GONE: 20}, "or2:AAAA"), NOW_S, session_s=45)
