"""When several walks over the pages of a full second have shown all of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from workers.vendors.dcl.page_walks import AGREE_UNSORTED, ENOUGH, PageWalks


def walks_until_they_agree(*shown: Sequence[str]) -> int:
    """The walks show these orders in turn, again and again."""
    walks = PageWalks()
    for found in islice((one for _ in range(ENOUGH + 1) for one in shown), ENOUGH + len(shown)):
        walks.add([{"account_number": "1", "order_number": number} for number in found])
        if walks.agree:
            return walks.count
    raise AssertionError("they never agree")


def test_two_walks_that_show_the_same_orders_once_agree() -> None:
    assert walks_until_they_agree("ABC") == 2


def test_a_vendor_that_always_shows_an_order_twice_is_believed_in_the_end() -> None:
    """Were it not, the second would never be read, and no later one either."""
    assert walks_until_they_agree("ABBC") == AGREE_UNSORTED + 1


def test_the_boundaries_of_pages_are_moved_once_two_walks_have_not_agreed() -> None:
    walks = PageWalks()
    sizes = []
    for _ in range(5):
        sizes.append(walks.page_size(4))
        walks.add([{"order_number": "A"}, {"order_number": "A"}])
    assert sizes == [4, 4, 3, 2, 2]
    assert not walks.is_sure


def test_one_that_sorts_anew_for_each_walk_beside_that_takes_longer() -> None:
    assert walks_until_they_agree("ABBC", "AABB", "CCAA", "ABCC") <= ENOUGH + 4


def test_a_repeated_order_that_hides_another_is_found_out() -> None:
    walks = PageWalks()
    for found in [*["AAB"] * (AGREE_UNSORTED - 1), "ABC", "ABC"]:
        assert not walks.agree
        walks.add([{"order_number": number} for number in found])
    assert walks.agree
    assert len({row["order_number"] for row in walks.rows}) == 3


def test_an_order_that_one_walk_shows_twice_is_looked_at_in_both_states() -> None:
    """Which of them is the newer one is told by their stamps, not by the sequence in which they come."""
    walks = PageWalks()
    both = [{"order_number": "A", "order_stage": stage} for stage in (60, 70)]
    walks.add(both)
    assert list(walks.rows) == both
