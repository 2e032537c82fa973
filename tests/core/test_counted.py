"""Counts and numbers in English sentences."""

import pytest

from workers.core.counted import ranges


@pytest.mark.parametrize(
    ("numbers", "text"), [([3], "3"), ([2, 1, 0], "0-2"), ([0, 1, 4, 6, 7, 8], "0-1, 4, 6-8"), ([], "")]
)
def test_numbers_that_follow_each_other_are_a_range(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text
