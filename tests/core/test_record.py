"""A record names where it lies, and its headers as Kafka keeps them: repeated names allowed, the last one counts."""

from workers.core.record import Partition, Record

RECORD = Record("order-created", 3, 7, 0, b"k", b"v", headers=(("a", b"1"), ("b", None), ("a", b"2")))


def test_the_last_header_of_a_name_counts() -> None:
    assert RECORD.header("a") == b"2"
    assert RECORD.header("b") is None
    assert RECORD.header("c") is None


def test_its_place_reads_as_topic_and_number() -> None:
    assert RECORD.at == Partition("order-created", 3)
    assert str(RECORD.at) == "order-created/3"
