"""IANA names to Windows names."""

import zoneinfo

import pytest

from workers.vendors._shared.windows_zones import windows_zone


@pytest.mark.parametrize(
    ("name", "windows"),
    [
        ("Europe/Warsaw", "Central European Standard Time"),
        ("America/Los_Angeles", "Pacific Standard Time"),
        ("america/los_angeles", "Pacific Standard Time"),
        ("Asia/Kolkata", "India Standard Time"),
        ("Asia/Calcutta", "India Standard Time"),
        ("US/Eastern", "Eastern Standard Time"),
        ("UTC", "UTC"),
        ("Etc/GMT", "UTC"),
        ("GMT", "UTC"),
        ("Z", "UTC"),
        ("Pacific Standard Time", "Pacific Standard Time"),
        ("pacific standard time", "Pacific Standard Time"),
        ("Mars/Olympus", None),
        ("", None),
    ],
)
def test_a_zone_has_its_windows_name(name: str, windows: str | None) -> None:
    assert windows_zone(name) == windows


def test_every_iana_zone_in_use_has_one() -> None:
    without = {name for name in zoneinfo.available_timezones() if windows_zone(name) is None}
    assert without <= {"Antarctica/Troll", "Factory", "localtime"}


def test_no_windows_name_is_longer_than_vendors_take() -> None:
    assert max(len(windows_zone(name) or "") for name in zoneinfo.available_timezones()) <= 100
