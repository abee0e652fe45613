"""Moments in text: to the second, UTC, what is left of a second dropped."""

from fastgate.moments import moment, rfc3339, stamp

# 2027-01-15 08:00:00.999.
UNIX_MS = 1_800_000_000_999


def test_moments_are_told_in_utc() -> None:
    assert moment(UNIX_MS) == "2027-01-15 08:00:00Z"
    assert stamp(UNIX_MS) == "20270115T080000"
    assert rfc3339(UNIX_MS // 1000) == "2027-01-15T08:00:00Z"
