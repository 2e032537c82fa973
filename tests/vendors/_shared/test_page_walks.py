"""When several walks over the pages of a full second have shown all its orders."""

from collections.abc import Sequence
from itertools import islice
from operator import itemgetter

from workers.vendors._shared.page_walks import AGREE_UNSORTED, ENOUGH, PageWalks


def walks_until_they_agree(*shown: Sequence[str]) -> int:
    """How many walks it takes when they show these orders in turn."""
    walks = PageWalks(itemgetter("order_number"))
    for found in islice((one for _ in range(ENOUGH + 1) for one in shown), ENOUGH + len(shown)):
        walks.add([{"order_number": number} for number in found])
        if walks.agree:
            return walks.count
    raise AssertionError("the walks never agree")


def test_two_walks_that_show_the_same_orders_once_agree() -> None:
    assert walks_until_they_agree("ABC") == 2


def test_walks_that_always_repeat_an_order_agree_in_the_end() -> None:
    """Otherwise that second, and all later ones, would never be read."""
    assert walks_until_they_agree("ABBC") == AGREE_UNSORTED + 1


def test_page_boundaries_move_after_two_walks_that_do_not_agree() -> None:
    walks = PageWalks(itemgetter("order_number"))
    sizes = []
    for _ in range(5):
        sizes.append(walks.page_size(4))
        walks.add([{"order_number": "A"}, {"order_number": "A"}])
    assert sizes == [4, 4, 3, 2, 2]
    assert not walks.is_sure


def test_repeats_in_changing_sequence_need_more_walks() -> None:
    assert walks_until_they_agree("ABBC", "AABB", "CCAA", "ABCC") <= ENOUGH + 4


def test_walks_go_on_while_a_repeated_order_may_hide_another() -> None:
    walks = PageWalks(itemgetter("order_number"))
    for found in [*["AAB"] * (AGREE_UNSORTED - 1), "ABC", "ABC"]:
        assert not walks.agree
        walks.add([{"order_number": number} for number in found])
    assert walks.agree
    assert len({row["order_number"] for row in walks.rows}) == 3


def test_both_states_of_an_order_in_one_walk_are_kept() -> None:
    """Their stamps decide later which state is newer, not the sequence of the rows."""
    walks = PageWalks(itemgetter("order_number"))
    both = [{"order_number": "A", "order_stage": stage} for stage in (60, 70)]
    walks.add(both)
    assert list(walks.rows) == both
