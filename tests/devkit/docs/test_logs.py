"""The table of actions and the code agree."""

from typing import get_args

from workers.devkit.docs.logs import ORDER_IDS, lines
from workers.edges.log import FORMERLY
from workers.edges.log_actions import ACTIONS, Action

BY_THE_LOG_ITSELF = {"library"}


def test_every_action_has_a_meaning_and_is_written_somewhere() -> None:
    """mypy holds the other direction: a line with an action that is not in the table is refused."""
    assert set(get_args(Action)) == set(ACTIONS)
    assert set(lines()) | BY_THE_LOG_ITSELF == set(ACTIONS)
    assert set(FORMERLY) <= set(ACTIONS)


def test_every_line_about_an_order_has_its_trace_too() -> None:
    about_an_order = {action: one.values.keys() for action, one in lines().items() if "order_id" in one.values}
    assert {"parking", "order_released", "discard_skipped", "parked_records_gone"} <= about_an_order.keys()
    assert {action for action, values in about_an_order.items() if not values >= set(ORDER_IDS)} == set()
