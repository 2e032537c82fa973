"""The repository's topics.yaml (``WHOLE``), and the same with the ECDP sink alone (``ECDP_ONLY``)."""

import re
from pathlib import Path

WHOLE = (Path(__file__).parents[2] / "topics.yaml").read_text()
_KEY = re.compile(r"^  ([a-z0-9-]+):$", re.MULTILINE)
_OURS = re.compile(r"order-created|order-status|ecdp-.*")


def _is_ours(block: str) -> bool:
    key = _KEY.search(block)
    return key is None or _OURS.fullmatch(key[1]) is not None


ECDP_ONLY = "\n\n".join(block for block in WHOLE.split("\n\n") if _is_ours(block)).rstrip("\n") + "\n"
