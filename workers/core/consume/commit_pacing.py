"""When to commit: plain commits and transactions as fast as the broker and the vendor's share allow.

A transaction costs a broker much more than a plain commit, and the next one waits in it until the former has ended.
So each is followed by a pause in proportion to what it took. Plain commits go on in the pause, seldomer: what finishes
is never kept from the broker for longer than `longest_between_commits_s`, and a transaction rarely waits for one.

A plain commit takes long where the process or the broker is busy. The next one is then later in proportion, so that
commits, with the receipts before them, never take much of the time that deliveries need.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Pacing:
    """Seconds, but for `pause_factor`."""

    commit_every_s: float = 0.2  # after SIGKILL, what finished in this time may be repeated
    longest_between_commits_s: float = 1.0  # the same in a busy process, and while a transaction waits for its time
    commit_factor: float = 10.0  # from commit to commit it is at least so many times as long as the former took
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
        self._commit_every_s = pacing.commit_every_s
        self._commit_now = False
        self._proof_due = now
        self._transaction_due = now

    def next_action(self, now: float, *, writes_wait: bool, hurry: bool = False, idle: bool = False) -> Action:
        """What to do now. ``hurry``: nothing new will be queued, so there is nothing to pause for.

        ``idle``: nothing has finished since the last commit, and only the next proof is due.
        """
        every = self._pacing.prove_every_s if idle else self._commit_every_s
        if writes_wait:
            every = self._pacing.longest_between_commits_s
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

    def commit_ended(self, began: float, now: float) -> None:
        """The plain commit that began then has ended, with its receipts."""
        pacing = self._pacing
        wanted = pacing.commit_factor * (now - began)
        self._commit_every_s = min(pacing.longest_between_commits_s, max(pacing.commit_every_s, wanted))

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
