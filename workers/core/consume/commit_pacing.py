"""When to commit: plain commits at a steady pace, transactions as fast as the broker and the vendor's share allow.

A transaction costs a broker much more than a plain commit, and the next one waits in it until the former has ended.
So each is followed by a pause in proportion to what it took. Plain commits go on in the pause, seldomer: what finishes
is never kept from the broker for longer than `Pacing.commit_beside_writes_s`, and a transaction rarely waits for one.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Pacing:
    """Seconds, but for `pause_factor`."""

    commit_every_s: float = 0.2  # after SIGKILL, what finished in this time may be repeated
    commit_beside_writes_s: float = 1.0  # the same while a transaction waits for its time
    prove_every_s: float = 3.0  # between commits of an idle member, which prove that it still is one
    retry_after_s: float = 2.0  # until a partition whose records could not be parked is tried again
    pause_factor: float = 4.0  # a pause is so many times as long as the transaction before it
    longest_pause_s: float = 1.0


@dataclass(frozen=True, slots=True)
class PlainCommit:
    """Commit what has finished."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Write what is queued, with the offsets that follow from it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done before ``until``, unless something is queued."""

    until: float


Action: TypeAlias = PlainCommit | Transaction | Wait


class CommitPacing:
    """The pace of one worker's commits. The time comes in as an argument, in monotonic seconds."""

    def __init__(self, pacing: Pacing, now: float) -> None:
        self._pacing = pacing
        self._committed_at = now
        self._commit_now = False
        self._proof_due = now
        self._transaction_due = now

    def next_action(self, now: float, *, writes_wait: bool, hurry: bool = False) -> Action:
        """What to do now. ``hurry``: nothing new will be queued, so there is nothing to pause for."""
        every = self._pacing.commit_beside_writes_s if writes_wait else self._pacing.commit_every_s
        due = self._committed_at + every
        if self._commit_now or now >= due:
            return PlainCommit()
        if not writes_wait:
            return Wait(due)
        if hurry or now >= self._transaction_due:
            return Transaction()
        return Wait(min(due, self._transaction_due))

    def commit_now(self) -> None:
        """A plain commit is due at once."""
        self._commit_now = True

    def commit_began(self, now: float) -> None:
        """The plain commit that was due is under way."""
        self._committed_at = now
        self._commit_now = False

    def proof_is_due(self, now: float) -> bool:
        """Whether an idle member has committed nothing for so long that it must prove its membership."""
        return now >= self._proof_due

    def committed(self, now: float) -> None:
        """A plain commit with offsets was sent."""
        self._proof_due = now + self._pacing.prove_every_s

    def transaction_ended(self, began: float, now: float, *, more_waits: bool) -> None:
        """``more_waits``: more is queued than one transaction takes, so the next one follows without a pause."""
        pause = min(self._pacing.longest_pause_s, self._pacing.pause_factor * (now - began))
        self._transaction_due = now if more_waits else now + pause
