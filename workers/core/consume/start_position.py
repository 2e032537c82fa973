"""Where a partition's fetching starts, or why it must not start by itself."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from workers.core.consume.commit_metadata import METADATA_LIMIT, FinishedOffsets, is_ours
from workers.core.record import Partition


@dataclass(frozen=True, slots=True)
class StartAt:
    """Fetch from here."""

    offset: int
    finished: FinishedOffsets | None = None  # beyond the offset, by the former owner
    metadata_ignored: bool = False  # the commit's metadata is ours, and was not written for this commit


@dataclass(frozen=True, slots=True)
class NeedsOperator:
    """An operator must decide (``relay offsets NAME --to ...``): the commit cannot be trusted, or a record not read."""

    reason: str
    damaged: bool = False  # at a record that cannot be read: what lies before it has been read, and is committed

    def metadata_or_reason(self, metadata: str, limit: int = METADATA_LIMIT) -> str:
        """The metadata to commit: the reason, when no record has finished beyond; `stop_reason` reads it."""
        return metadata or f"{_STOPPED}{self.reason}"[:limit]


StartDecision: TypeAlias = StartAt | NeedsOperator

_STOPPED: Final = "or1s:"  # no form of `FinishedOffsets`: an owner that starts here tries to read on


def stop_reason(metadata: str | None) -> str | None:
    """Why the worker has stopped at a commit, as its metadata says; None: it has not stopped there."""
    return metadata[len(_STOPPED) :] if metadata and metadata.startswith(_STOPPED) else None


def decide_start(
    at: Partition, *, committed: int | None, metadata: str | None, earliest: int, end: int, known: bool = False
) -> StartDecision:
    """Decide from the group's commit and the log's bounds.

    Without a commit, from the earliest record; but not when a commit is ``known`` to have been there: a broker removes
    the commits of a topic with the topic. A commit outside the log is never moved silently: if it lies below the log,
    records were lost by retention; if beyond, the topic was recreated or cut. Nor is a commit whose metadata names
    finished records beyond the log's end: to skip those offsets would lose the records that lie there now.
    """
    if committed is None:
        gone = "its commit is gone: the topic was recreated, or the commit expired; name it by --partition"
        return NeedsOperator(gone) if known else StartAt(earliest)
    if committed < earliest:
        return NeedsOperator(f"records {committed} to {earliest - 1} expired before they were read")
    if committed > end:
        return NeedsOperator(f"the commit {committed} lies beyond the log's end {end}: the topic was recreated or cut")
    finished = FinishedOffsets.parse(at, committed, metadata)
    if finished is not None and finished.end > end:
        last = finished.end - 1
        return NeedsOperator(f"record {last} had finished, beyond the log's end {end}: the topic was recreated or cut")
    return StartAt(committed, finished, metadata_ignored=finished is None and is_ours(metadata))
