"""Halving a refused batch, at a vendor that accepts or refuses a request as a whole."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import httpx
from hypothesis import given
from hypothesis import strategies as st

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Throttled, Unavailable, Unknown
from workers.vendors._shared.bisect import bisect
from workers.vendors.contract import Flow

TAKEN = Delivered(status=201)
REFUSED = Rejected("no", 400)
Answer = Callable[[Sequence[int]], Outcome]


def run(
    items: Sequence[int], answer: Answer, *, alone: frozenset[int] = frozenset()
) -> tuple[list[Outcome], list[list[int]]]:
    """Bisect without HTTP; return the outcomes and the items of each request."""
    sent: list[list[int]] = []

    def send(part: Sequence[int]) -> Flow[Outcome]:
        sent.append(list(part))
        yield httpx.Request("POST", "https://vendor.example")
        return answer(part)

    flow = bisect(items, send, alone=alone.__contains__)
    try:
        next(flow)
        while True:
            flow.send(httpx.Response(200))
    except StopIteration as stop:
        return stop.value, sent


sizes = st.integers(0, 130)
batches = sizes.flatmap(lambda n: st.tuples(st.just(list(range(n))), st.frozensets(st.integers(0, max(0, n - 1)))))


@given(batches)
def test_only_bad_items_are_refused_and_good_ones_are_accepted_once(batch: tuple[list[int], frozenset[int]]) -> None:
    items, bad = batch
    applied: Counter[int] = Counter()

    def answer(part: Sequence[int]) -> Outcome:
        if bad.isdisjoint(part):
            applied.update(part)
            return TAKEN
        return REFUSED

    outcomes, sent = run(items, answer)
    assert outcomes == [REFUSED if item in bad else TAKEN for item in items]
    assert applied == Counter(item for item in items if item not in bad)
    bad_ones, levels = len(bad.intersection(items)), math.ceil(math.log2(len(items))) if items else 0
    assert len(sent) <= max(1, 1 + 2 * bad_ones * levels)


@given(batches, st.frozensets(st.integers(0, 130)))
def test_items_that_must_go_alone_are_sent_alone(
    batch: tuple[list[int], frozenset[int]], alone: frozenset[int]
) -> None:
    items, bad = batch
    outcomes, sent = run(items, lambda part: TAKEN if bad.isdisjoint(part) else REFUSED, alone=alone)
    assert outcomes == [REFUSED if item in bad else TAKEN for item in items]
    assert all(len(part) == 1 for part in sent if not alone.isdisjoint(part))


@given(sizes, st.integers(1, 40))
def test_too_large_a_request_is_halved_until_it_fits(n: int, limit: int) -> None:
    too_large = Rejected("too large", 413)
    outcomes, sent = run(range(n), lambda part: TAKEN if len(part) <= limit else too_large)
    assert outcomes == [TAKEN] * n
    assert len([part for part in sent if len(part) <= limit]) <= math.ceil(2 * n / limit)


TROUBLE = [
    Throttled(1.0, 429),
    Denied("key", 401),
    Unavailable("refused"),
    Unavailable("HTTP 500", 500),
    Unknown("reset"),
]


@given(batches, st.lists(st.sampled_from([None, None, *TROUBLE]), max_size=40))
def test_every_outcome_matches_what_the_vendor_did(
    batch: tuple[list[int], frozenset[int]], troubles: list[Outcome | None]
) -> None:
    """Delivered: accepted once. Refused: refused alone. Unknown: sent without an answer."""
    items, bad = batch
    script = iter(troubles)
    applied: Counter[int] = Counter()
    lost: set[int] = set()

    def answer(part: Sequence[int]) -> Outcome:
        trouble = next(script, None)
        if isinstance(trouble, Unknown):
            lost.update(part)
        if trouble is not None:
            return trouble
        if bad.isdisjoint(part):
            applied.update(part)
        return TAKEN if bad.isdisjoint(part) else REFUSED

    outcomes, _ = run(items, answer)
    by_item = dict(zip(items, outcomes, strict=True))
    assert {item for item, outcome in by_item.items() if outcome == TAKEN} == set(applied)
    assert all(count == 1 for count in applied.values())
    assert {item for item, outcome in by_item.items() if outcome == REFUSED} <= bad
    assert {item for item, outcome in by_item.items() if isinstance(outcome, Unknown)} == lost - set(applied)


def test_a_vendor_that_stops_answering_gets_two_more_requests_at_most() -> None:
    outcomes, sent = run(range(8), lambda _: Unavailable("HTTP 500", 500), alone=frozenset(range(8)))
    assert len(sent) == 2
    assert outcomes == [Unavailable("HTTP 500", 500)] * 8


def test_a_refused_item_that_the_vendor_has_does_not_blame_its_twin() -> None:
    """A refused `Add` may be found at the vendor: the other half may still be good."""

    def answer(part: Sequence[int]) -> Outcome:
        return Delivered(found=True) if list(part) == [0] else REFUSED if 0 in part else TAKEN

    outcomes, sent = run(range(4), answer)
    assert outcomes == [Delivered(found=True), TAKEN, TAKEN, TAKEN]
    assert sent == [[0, 1, 2, 3], [0, 1], [0], [1], [2, 3]]
