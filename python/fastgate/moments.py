"""Moments in text, UTC: for people, for programs, for ids."""

from datetime import UTC, datetime


def moment(unix_ms: int) -> str:
    """For people: `2027-01-15 08:00:00Z`."""
    return f"{_utc(unix_ms):%Y-%m-%d %H:%M:%SZ}"


def rfc3339(unix_s: int) -> str:
    """For programs: `2027-01-15T08:00:00Z`."""
    return f"{_utc(unix_s * 1000):%Y-%m-%dT%H:%M:%SZ}"


def stamp(unix_ms: int) -> str:
    """In ids: `20270115T080000`."""
    return f"{_utc(unix_ms):%Y%m%dT%H%M%S}"


def _utc(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms // 1000, UTC)
