"""What a worker's log says of its gate: that it shuts, why, each minute that it still is shut, and that it opens."""

from dataclasses import dataclass
from typing import Final

from workers.core.delivery.gate import Gate, Reason
from workers.edges.log import log
from workers.edges.log_actions import Action

AGAIN_AFTER_S: Final = 60.0


@dataclass(slots=True, eq=False)
class GateLog:
    """To be asked after each report to the gate, and now and then: `has_changed` is cheap while nothing happens."""

    gate: Gate
    worker: str
    _cause: tuple[Reason | None, str] | None = None  # as logged last; None: the gate was open
    _shut_at: float = 0.0
    _logged_at: float = 0.0

    def has_changed(self, now: float) -> bool:
        """Whether there is something to write: a change, or another minute."""
        if self.gate.is_open:
            return self._cause is not None
        return self._cause != (self.gate.reason, self.gate.detail) or now - self._logged_at >= AGAIN_AFTER_S

    def write(self, now: float, waiting: int | None = None) -> bool:
        """Log it; returns whether the gate has just shut. ``waiting``: orders that wait; None: it does not apply."""
        gate, before = self.gate, self._cause
        self._logged_at = now
        if gate.is_open:
            self._cause = None
            log.info("gate_opened", worker=self.worker, shut_s=round(now - self._shut_at, 1), waiting=waiting)
            return False
        self._cause = (gate.reason, gate.detail)
        self._shut_at = now if gate.shut_at is None else gate.shut_at
        reason = None if gate.reason is None else gate.reason.value
        shut_s = round(now - self._shut_at, 1) if before else None
        # A vendor that asks for a pause gets it: nothing is wrong.
        say = log.info if gate.reason is Reason.THROTTLED else log.error
        action: Action = "gate_shut" if before in {None, self._cause} else "gate_cause_changed"
        say(action, worker=self.worker, reason=reason, detail=gate.detail, shut_s=shut_s, waiting=waiting)
        return before is None
