"""A worker's last error is the newest of those that still stand."""

from workers.core.last_errors import LastError, LastErrors, Part
from workers.core.record import Partition


def test_an_error_stands_until_its_own_part_works_again() -> None:
    errors = LastErrors()
    assert errors.last is None
    errors.put(Part.PARKING, "too large", 1)
    errors.put(Part.VENDOR, "HTTP 500", 2)
    assert errors.last == LastError("HTTP 500", 2)
    errors.clear(Part.VENDOR)
    assert errors.last == LastError("too large", 1)
    errors.clear(Part.PARKING)
    errors.clear(Part.TOPICS)
    assert errors.last is None


def test_an_error_of_a_partition_stands_while_it_is_stopped() -> None:
    errors, at = LastErrors(), Partition("orders", 3)
    errors.put(at, "expired", 1)
    errors.keep([at], [])
    assert errors.last == LastError("expired", 1)
    errors.keep([], [3])
    assert errors.last is None


def test_an_error_of_a_shard_ends_with_its_ownership() -> None:
    errors = LastErrors()
    errors.put((Part.PARKING, 3), "too large", 1)
    errors.put(Part.VENDOR, "HTTP 500", 0)
    errors.keep([], [3])
    assert errors.last == LastError("too large", 1)
    errors.keep([], [4])
    assert errors.last == LastError("HTTP 500", 0)


def test_a_token_in_an_error_is_masked() -> None:
    errors = LastErrors()
    errors.put(Part.VENDOR, "GET /invoice.list?authenticationToken=canary", 1)
    assert errors.last == LastError("GET /invoice.list?authenticationToken=***", 1)
