"""The access keys of a simulated E2CC, and the cache that lets a revoked one live on."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

SHOWN: Final = 10  # characters of a key
OWNER: Final = "user@example.com"


@dataclass(slots=True)
class AccessKey:
    """One key and what E2CC keeps with it."""

    secret: str
    label: str = ""
    permissions: list[str] = field(default_factory=list)
    expires_in_days: int | None = None
    status: str = "active"

    def row(self) -> dict[str, Any]:
        expires = None if self.expires_in_days is None else "2027-06-24T00:00:00.000Z"  # stored, and never enforced
        return {
            "partialKey": self.secret[:SHOWN],
            "label": self.label,
            "owner": OWNER,
            "permissions": self.permissions,
            "status": self.status,
            "expiresAt": expires,
        }


@dataclass(slots=True)
class AccessKeys:
    """Every key; a key that was accepted is accepted for ``cached_s`` more, whatever becomes of it."""

    clock: Callable[[], float]  # seconds
    keys: list[AccessKey] = field(default_factory=list)
    cached_until: dict[str, float] = field(default_factory=dict)

    def accepts(self, secret: str, cached_s: float) -> bool:
        now = self.clock()
        active = any(key.secret == secret and key.status == "active" for key in self.keys)
        if not active:
            return now < self.cached_until.get(secret, 0.0)
        if now >= self.cached_until.get(secret, 0.0):
            self.cached_until[secret] = now + cached_s
        return True

    def find(self, named: str) -> AccessKey | None:
        """By the whole key, or by its beginning as the list shows it: the page does not say which."""
        return next((key for key in self.keys if named in {key.secret, key.secret[:SHOWN]}), None)

    def create(self, wanted: dict[str, Any]) -> dict[str, Any]:
        key = AccessKey(secrets.token_hex(32))
        self._set(key, wanted)
        self.keys.append(key)
        return {"key": key.secret, "accessKey": key.row()}

    def rotate(self, key: AccessKey, wanted: dict[str, Any]) -> dict[str, Any]:
        key.secret = secrets.token_hex(32)
        self._set(key, wanted)
        return {"key": key.secret, "accessKey": key.row()}

    def remove(self, key: AccessKey, *, for_good: bool) -> dict[str, Any]:
        if for_good:
            self.keys.remove(key)
        key.status = "revoked"
        return {"accessKey": key.row()}

    @staticmethod
    def _set(key: AccessKey, wanted: dict[str, Any]) -> None:
        key.label = wanted.get("label", key.label)
        key.permissions = wanted.get("permissions", key.permissions)
        key.expires_in_days = wanted.get("expiresInDays", key.expires_in_days)
