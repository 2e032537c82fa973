"""The codes of invoices and web orders, and what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from workers.core.poll.change import Progress, Stage

InvoiceState: TypeAlias = Literal["unknown", "draft", "open", "closed", "voided"]


class Meaning(NamedTuple):
    name: str
    state: InvoiceState
    progress: Progress


DRAFT: Final = 2
VOIDED: Final = 4
CODES: Final[Mapping[int, Meaning]] = {
    DRAFT: Meaning("Draft", "draft", "unknown"),
    0: Meaning("Pending Approval", "open", "received"),
    1: Meaning("Confirmed", "open", "processing"),
    VOIDED: Meaning("Voided", "voided", "cancelled"),
}
"""Of ``status``; 3 and above 4 are not documented."""

CHECK_OUT: Final[Mapping[int, str]] = {0: "Pending", 1: "Checked Out"}
"""Of a prebook's ``checkOutStatus``; only 0 is documented."""

UNMAPPED: Final = "unmapped_stages"  # a note: Komet's pages do not list the code


def web_order_stage(code: int | None, text: str, progress: Mapping[str, Progress], notes: Counter[str]) -> Stage:
    """The stage of a web order by its invoice's status; ``text``: the status as it was sent."""
    known = None if code is None else CODES.get(code)
    notes[UNMAPPED] += known is None
    means = Meaning("", "unknown", "unknown") if known is None else known
    own = progress.get(text.lower(), progress.get(means.name.lower(), means.progress))
    return Stage(text, code, means.name, own)


def prebook_stage(code: int | None, name: str, progress: Mapping[str, Progress]) -> Stage:
    """The stage of a prebook by the seller's own name of it, or by whether it is checked out."""
    checked_out = "" if code is None else CHECK_OUT.get(code, str(code))
    stage = name or checked_out
    return Stage(stage, code, checked_out if name else "", progress.get(stage.lower(), "unknown"))


def invoice_status(code: int | None, text: str) -> tuple[str, InvoiceState]:
    """The name of a documented code, and its state; another status as it was sent, unknown."""
    known = None if code is None else CODES.get(code)
    return (text, "unknown") if known is None else (known.name, known.state)
