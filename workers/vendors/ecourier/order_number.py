"""The OrderNumber that an order has at e-Courier, derived from its id alone (NOTES.md explains the rule)."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import Final

HASH_MARK: Final = "."  # no plain id begins with it, so no hashed number can equal a plain one
MIN_HASH_CHARS: Final = 16  # 80 bits
MAX_HASH_CHARS: Final = 32  # 160 bits

_PLAIN: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")


def order_number(order_id: str, prefix: str, most: int) -> str:
    """Return the prefix and the id if that is plain and at most ``most`` characters, else the prefix and a hash.

    Invariant: different ids have different numbers. Otherwise one order's save would overwrite another's delivery.
    """
    number = prefix + order_id
    if len(number) <= most and _PLAIN.fullmatch(order_id):
        return number
    digest = base64.b32encode(sha256(order_id.encode(errors="surrogatepass")).digest()).decode()
    return f"{prefix}{HASH_MARK}{digest[: min(MAX_HASH_CHARS, most - len(prefix) - len(HASH_MARK))]}"
