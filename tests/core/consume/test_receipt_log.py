"""Receipts that wait to be written: none is dropped before it is acknowledged."""

from workers.core.consume.receipt_log import ReceiptLog
from workers.core.receipt import Receipt


def receipt(offset: int) -> Receipt:
    return Receipt("A", "order-created", offset, 0, "delivered")


def log(*offsets: int) -> ReceiptLog:
    made = ReceiptLog()
    for offset in offsets:
        made.append(receipt(offset))
    return made


def offsets(made: ReceiptLog) -> list[int]:
    return [one.offset for one in made.unwritten().receipts]


def test_what_came_while_others_were_written_stays() -> None:
    made = log(1, 2)
    taken = made.unwritten()
    made.append(receipt(3))
    made.written(taken.up_to)
    assert offsets(made) == [3]


def test_what_was_not_acknowledged_is_written_again() -> None:
    made = log(1, 2)
    made.unwritten()
    assert offsets(made) == [1, 2]


def test_two_writers_of_the_same_receipts_drop_no_others() -> None:
    made = log(1, 2)
    first = made.unwritten()
    made.append(receipt(3))
    second = made.unwritten()
    made.append(receipt(4))
    made.written(second.up_to)
    made.written(first.up_to)
    assert offsets(made) == [4]
