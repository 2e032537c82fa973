"""Whether the brokers answer this process, and since when, with the log lines about it: one object for a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from kafka import KafkaConsumer
from kafka.protocol.consumer import FetchRequest

from workers.edges.kafka.client_patches.connections import watch_connections
from workers.edges.kafka.client_patches.membership import watch_answers
from workers.edges.kafka.reach.causes import NO_ANSWER, Cause, cause_of
from workers.edges.log import log


class BrokersState(Enum):
    """What the process knows of its brokers."""

    CONNECTING = "connecting"  # none has answered since the start of the process
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class ReachPolicy:
    """When brokers count as down, in seconds."""

    failing_s: float = 4.0  # since the first failure after the last answer: a member has asked again by then
    silent_s: float = 8.0  # without an answer to anything: a member asks every 3 s at least
    recovery_s: float = 30.0  # after their return, while coordinators and leaders are still being found
    asleep_s: float = 5.0  # without a look: this process itself was stopped, which says nothing of the brokers


class Brokers:
    """Evidence from the clients' IO threads (`answered`, `failed`), judged by the process's loop (`look`).

    One broker of several that is down is no matter: the others answer.
    """

    def __init__(
        self,
        servers: str = "",
        policy: ReachPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._servers = servers
        self._policy = policy or ReachPolicy()
        self._clock = clock
        self._wall_ms = wall_ms
        self.state = BrokersState.CONNECTING
        self.since_ms = wall_ms()  # of the state; while down: when a broker last answered
        self._cause: Cause | None = None
        self._heard_at = self._looked_at = clock()  # monotonic: the last answer, or the start
        self._answered = False
        self._failing_since: float | None = None
        self._found_at: float | None = None  # when an outage ended
        self._missing = False  # `kafka_unreachable` is logged, and no broker has answered since

    @property
    def is_down(self) -> bool:
        return self.state is BrokersState.DOWN

    @property
    def may_fail(self) -> bool:
        """Whether a failed request says nothing new: no broker answers, or one has only just begun to again."""
        if self._failing_since is not None or self.is_down:
            return True
        return self._found_at is not None and self._clock() - self._found_at < self._policy.recovery_s

    @property
    def detail(self) -> str | None:
        """Why no broker answers; None: one does."""
        return None if self.state is BrokersState.UP else (self._cause or NO_ANSWER).what

    def watch(self, consumer: KafkaConsumer, fetched: Callable[[float], None]) -> None:
        """Take the answers that this consumer gets; ``fetched``: with the monotonic time of each answer to a fetch."""

        def answered(request: Any) -> None:
            self.answered()
            if isinstance(request, FetchRequest):
                fetched(self._heard_at)

        watch_answers(consumer, answered, self._not_answered)
        watch_connections(consumer._client._manager, self.failed)  # noqa: SLF001 - no public way

    def answered(self) -> None:
        """A broker has answered a request of ours."""
        self._heard_at = self._clock()
        self._answered = True
        self._failing_since = self._cause = None

    def waits(self, servers: str, cause: Cause) -> None:  # noqa: ARG002 - a command's line names the servers
        """A client that is being opened has waited for a while."""
        self._cause = cause
        self._not_answered()

    def failed(self, error: BaseException) -> None:
        """A connection could not be opened, or was lost."""
        self._cause = cause_of(error)
        self._not_answered()

    def _not_answered(self) -> None:
        if self._failing_since is None:
            self._failing_since = self._clock()

    def look(self) -> None:
        """Judge what has come since the last look, and log a change."""
        now = self._clock()
        if now - self._looked_at > self._policy.asleep_s:
            self._heard_at, self._failing_since = now, None
        self._looked_at = now
        missing = self._is_missing(now)
        if missing and not self._missing:
            self._lose(now)
        elif self._answered and not missing and self.state is not BrokersState.UP:
            self._find(now)

    def _is_missing(self, now: float) -> bool:
        if self._failing_since is not None:
            patience_s = self._policy.failing_s if self._answered else self._policy.silent_s
            return now - self._failing_since >= patience_s
        # Before the first answer silence says nothing: the workers may wait for a registry, and ask no broker yet.
        return self._answered and now - self._heard_at >= self._policy.silent_s

    def _lose(self, now: float) -> None:
        self._missing = True
        if self.state is BrokersState.UP:
            self._enter(BrokersState.DOWN, self._heard_at)
        cause = self._cause or NO_ANSWER
        log.error(
            "kafka_unreachable", servers=self._servers, detail=str(cause), silent_s=round(now - self._heard_at, 1)
        )

    def _find(self, now: float) -> None:
        after_s = (self._wall_ms() - self.since_ms) / 1000
        if self._missing:
            self._found_at = now
            log.info("kafka_reachable", servers=self._servers, after_s=round(after_s, 1))
        self._missing = False
        self._enter(BrokersState.UP, now)

    def _enter(self, state: BrokersState, at: float) -> None:
        self.state = state
        self.since_ms = self._wall_ms() - round((self._clock() - at) * 1000)
