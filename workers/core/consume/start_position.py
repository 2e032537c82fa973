"""Where a partition's fetching starts, or why it must not start by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from workers.core.consume.commit_metadata import METADATA_LIMIT, FinishedOffsets


@dataclass(frozen=True, slots=True)
class StartAt:
    """Fetch from here."""

    offset: int
    finished: FinishedOffsets | None = None  # beyond the offset, by the former owner


@dataclass(frozen=True, slots=True)
class NeedsOperator:
    """A person decides (``relay offsets NAME --to ...``): the commit cannot be trusted, or a record cannot be read."""

    reason: str
    damaged: bool = False  # at a record that cannot be read: what lies before it has been read, and is committed

    def told(self, metadata: str) -> str:
        """The metadata to commit: the reason, once there is nothing else to tell; `stop_told` reads it."""
        return metadata or f"{_STOPPED}{self.reason}"[:METADATA_LIMIT]


StartDecision: TypeAlias = StartAt | NeedsOperator

_STOPPED: Final = "or1s:"  # no form of `FinishedOffsets`: whoever begins here tries to read on


def stop_told(metadata: str | None) -> str | None:
    """Why the worker has stopped where everything before has finished, as its commit tells; None: it has not."""
    return metadata[len(_STOPPED) :] if metadata and metadata.startswith(_STOPPED) else None


def decide_start(
    *, committed: int | None, metadata: str | None, earliest: int, end: int, known: bool = False
) -> StartDecision:
    """Decide from the group's commit and the log's bounds.

    Without a commit, from the earliest record; but not when one is ``known`` to
    have been there: a broker takes it away with its topic. A commit outside the log is
    never moved silently: below it records were lost by retention, beyond it
    the topic was created anew or cut; so it was when the metadata tells of
    finished records beyond the end, and skipping those offsets would lose what lies there now.
    """
    if committed is None:
        gone = NeedsOperator(
            "its commit is gone: the topic was created anew, or the commit expired; name it by --partition"
        )
        return gone if known else StartAt(earliest)
    if committed < earliest:
        return NeedsOperator(f"records {committed} to {earliest - 1} expired before they were read")
    if committed > end:
        return NeedsOperator(
            f"the commit {committed} lies beyond the log's end {end}: the topic was created anew or cut"
        )
    finished = FinishedOffsets.parse(committed, metadata)
    if finished is not None and finished.end > end:
        last = finished.end - 1
        return NeedsOperator(
            f"record {last} had finished, beyond the log's end {end}: the topic was created anew or cut"
        )
    return StartAt(committed, finished)
