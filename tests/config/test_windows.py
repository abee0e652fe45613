"""Windows and time zones."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.config import windows
from fastgate.config.windows import TimeZone, Window

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("written", "window", "kind", "length_ms"),
    [
        ("1s", "1s", "rate", 1_000),
        ("1000ms", "1s", "rate", 1_000),
        ("1m", "1m", "rate", 60_000),
        ("60s", "1m", "rate", 60_000),
        ("61s", "61s", "sliding", 61_000),
        ("1h", "1h", "sliding", 3_600_000),
        ("60m", "1h", "sliding", 3_600_000),
        ("24h", "1d", "sliding", DAY_MS),
        ("31d", "31d", "sliding", 31 * DAY_MS),
        ("1.5h", "90m", "sliding", 5_400_000),
    ],
)
def test_durations(written: str, window: str, kind: str, length_ms: int) -> None:
    found = Window.parse(written)
    assert (found, found.kind, found.shortest_ms, found.longest_ms) == (window, kind, length_ms, length_ms)


@given(st.integers(60_001, 31 * DAY_MS))
def test_windows_are_written_as_they_are_read(length_ms: int) -> None:
    found = Window.parse(f"{length_ms}ms")
    assert Window.parse(str(found)) == found
    assert found.shortest_ms == length_ms


@pytest.mark.parametrize(
    "value", ["2s", "59s", "999ms", "32d", "0s", "year", "Day", "", 60, None, True, "1h\n"]
)
def test_no_windows(value: object) -> None:
    with pytest.raises(ValueError, match='must be "1s", "1m", a longer duration up to "31d", or "day"'):
        Window.parse(value)


def test_periods_of_the_calendar_bound_every_real_one() -> None:
    zone = ZoneInfo("Europe/Berlin")
    days = [datetime(2024, 1, 1, tzinfo=zone) + timedelta(days=number) for number in range(800)]
    starts = {
        "day": days,
        "week": [day for day in days if day.weekday() == 0],
        "month": [day for day in days if day.day == 1],
    }
    for name, begun in starts.items():
        window = Window.parse(name)
        assert window.kind == "calendar"
        utc = [start.astimezone(UTC) for start in begun]
        lengths = [int((end - start).total_seconds()) * 1000 for start, end in pairwise(utc)]
        # A short February has no change of clocks there, but elsewhere.
        shortest_ms = min(lengths) - (3_600_000 if name == "month" else 0)
        assert (window.shortest_ms, window.longest_ms) == (shortest_ms, max(lengths)), name


def test_time_zones() -> None:
    for name in ("UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"):
        assert TimeZone.parse(name) == name


@pytest.mark.parametrize("value", ["", "Europe/", "../etc/passwd", "/etc/localtime", "a b", 5, None, "UTC\n"])
def test_what_can_be_no_zone(value: object) -> None:
    with pytest.raises(ValueError, match="must be a time zone"):
        TimeZone.parse(value)


def test_unknown_zones_are_told_with_a_near_one() -> None:
    with pytest.raises(ValueError, match=r'no such time zone \(did you mean "Europe/Berlin"\?\)'):
        TimeZone.parse("Europe/Berln")
    with pytest.raises(ValueError, match=r"^no such time zone$"):
        TimeZone.parse("Q")
    with pytest.raises(ValueError, match="no such time zone"):
        TimeZone.parse("Europe")  # a folder of the database


def test_without_a_database_the_engine_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_is_known", lambda _: False)
    monkeypatch.setattr(zoneinfo, "available_timezones", set[str])
    assert TimeZone.parse("Europe/Berln") == "Europe/Berln"
