"""The UserGUIDs that a simulated e-Courier has given out, and how often each was used."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tokens:
    """Grants GUIDs and counts their uses; the given one is known from the start."""

    given: str
    logins: int = 0
    refreshes: int = 0
    uses: Counter[str] = field(default_factory=Counter)
    dead: set[str] = field(default_factory=set)  # used up, and refused at least once

    def __post_init__(self) -> None:
        self.uses[self.given] = 0

    def grant(self) -> str:
        """Return a new GUID; the former ones live on."""
        self.logins += 1
        token = f"{{{str(uuid.UUID(int=self.logins, version=4)).upper()}}}"
        self.uses[token] = 0
        return token

    def refresh(self, token: str) -> str:
        """Return the same GUID, as good as new."""
        self.refreshes += 1
        self.uses[token] = 0
        return token

    def use(self, token: str, most: int | None) -> bool:
        """Whether the GUID is good once more."""
        if token not in self.uses or (most is not None and self.uses[token] >= most):
            self.dead.add(token)
            return False
        self.uses[token] += 1
        return True

    def stats(self) -> dict[str, Any]:
        """Count logins, refreshes, and the GUIDs that were used up."""
        return {"logins": self.logins, "refreshes": self.refreshes, "dead_tokens": len(self.dead & self.uses.keys())}
