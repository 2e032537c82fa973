"""Durations and sizes as people write them."""

import pytest

from workers.app.config.values import seconds, size


@pytest.mark.parametrize(
    ("text", "value"), [("250ms", 0.25), ("30s", 30), ("10m", 600), ("5h", 18000), ("7d", 604800), ("1.5s", 1.5)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["30", 30, "-1s", "1 s", "s", "1w", None, True, "1e3s", "nan s"])
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"), [("1MiB", 2**20), ("48MiB", 48 * 2**20), (7, 7), ("64KiB", 65536), ("5", 5)]
)
def test_a_size_is_a_whole_number_with_or_without_a_unit(text: object, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["1MB", "-1", 1.5, True, None, "MiB"])
def test_anything_else_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        size(text)
