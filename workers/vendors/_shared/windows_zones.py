"""Windows names of time zones, by CLDR's table (``windowsZones.xml``, as tzlocal carries it)."""

from __future__ import annotations

from typing import Final

from tzlocal import windows_tz

# IANA names without a row in the table, by the zone they are links to (tzdata, file `backward`)
_LINKS: Final = {
    "GMT": "UTC",
    "Z": "UTC",
    "CST6CDT": "Central Standard Time",
    "EST5EDT": "Eastern Standard Time",
    "MST7MDT": "Mountain Standard Time",
    "PST8PDT": "Pacific Standard Time",
    "Europe/Uzhgorod": "FLE Standard Time",
    "Europe/Zaporozhye": "FLE Standard Time",
    "US/East-Indiana": "US Eastern Standard Time",
}

_NAMES: Final = {
    name.casefold(): windows
    for name, windows in [*_LINKS.items(), *windows_tz.tz_win.items(), *((name, name) for name in windows_tz.win_tz)]
    if name
}


def windows_zone(name: str) -> str | None:
    """Return the Windows name of an IANA or Windows time zone, in any case; None when there is none."""
    return _NAMES.get(name.casefold())
