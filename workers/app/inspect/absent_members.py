"""Members of a sink's group that are gone, whose partitions wait until their session ends.

A running member commits every three seconds, with the time in the commit's metadata. One that has not for much longer
was killed, or stopped with `leave: false`; the broker itself says nothing until the session ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workers.core.consume.commit_metadata import stamp_of
from workers.core.record import CommitPoint, Partition

ABSENT_AFTER_S = 12  # four commits that did not come


@dataclass(frozen=True, slots=True)
class AbsentMember:
    """A member of the group that does not commit any more."""

    name: str
    partitions: tuple[Partition, ...]
    until_ms: int  # then the group gives its partitions to others


def absent_members(
    assignments: Mapping[str, Iterable[Partition]],
    committed: Mapping[Partition, CommitPoint],
    now_s: float,
    session_s: float,
) -> list[AbsentMember]:
    """The members of ``assignments`` that are gone; one that has committed nothing yet counts as present."""
    found = []
    for name, partitions in sorted(assignments.items()):
        stamps = [stamp_of(committed[at].metadata) for at in partitions if at in committed]
        seen_s = max((stamp for stamp in stamps if stamp is not None), default=None)
        if seen_s is not None and now_s - seen_s > ABSENT_AFTER_S:
            found.append(AbsentMember(name, tuple(sorted(partitions)), round((seen_s + session_s) * 1000)))
    return found
