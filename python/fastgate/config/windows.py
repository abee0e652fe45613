"""In which time a limit counts: a second, a minute, longer durations, periods of the calendar, time zones."""

import re
from typing import Any, ClassVar, Literal, Self, TypeAlias

from fastgate.config.findings import did_you_mean
from fastgate.config.units import Duration

Kind: TypeAlias = Literal["rate", "sliding", "calendar"]

UTC = "UTC"

# Hours of a period at its shortest and longest, where clocks are put forward and back.
_PERIODS = {"day": (23, 25), "week": (167, 169), "month": (671, 745)}
_RATES_MS = (1_000, 60_000)
_LONGEST_MS = 31 * 86_400_000
_HOUR_MS = 3_600_000
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


class Window(str):
    """A window, written as short as it can be: `"60m"` is `"1h"`."""

    __slots__ = ()

    schema: ClassVar[dict[str, Any]] = {"anyOf": [{"enum": list(_PERIODS)}, Duration.schema]}
    shown: ClassVar[str] = "window"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is a second, a minute, longer up to 31 days, or a period of the calendar."""
        if isinstance(value, str) and value in _PERIODS:
            return cls(value)
        expected = 'must be "1s", "1m", a longer duration up to "31d", or "day", "week" or "month"'
        try:
            length_ms = Duration.parse(value)
        except ValueError:
            raise ValueError(expected) from None
        if length_ms not in _RATES_MS and not max(_RATES_MS) < length_ms <= _LONGEST_MS:
            raise ValueError(expected)
        return cls(length_ms)

    @property
    def kind(self) -> Kind:
        """A rate lets some come at once; a quota is sliding, or begins anew with the calendar."""
        if self in _PERIODS:
            return "calendar"
        return "rate" if self.shortest_ms in _RATES_MS else "sliding"

    @property
    def shortest_ms(self) -> int:
        """How long it is; of a period, how long the shortest is."""
        return _PERIODS[self][0] * _HOUR_MS if self in _PERIODS else int(Duration.parse(str(self)))

    @property
    def longest_ms(self) -> int:
        """The same, of a period's longest."""
        return _PERIODS[self][1] * _HOUR_MS if self in _PERIODS else self.shortest_ms


class TimeZone(str):
    """A time zone of the IANA database: `"Europe/Berlin"`."""

    __slots__ = ()

    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": f"^{_ZONE.pattern}$"}
    shown: ClassVar[str] = "time zone"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless this machine's database has it.

        Where there is no database, the engine, which brings its own, has the last word.
        """
        if not isinstance(value, str) or not _ZONE.fullmatch(value):
            raise ValueError('must be a time zone of the IANA database, as "Europe/Berlin"')
        if value == UTC or _is_known(value):
            return cls(value)
        # To list all takes a sixth of a second, so only where one is misspelt.
        from zoneinfo import available_timezones

        known = available_timezones()
        if not known:
            return cls(value)
        hint = did_you_mean(value, known)
        raise ValueError("no such time zone" + (f" ({hint})" if hint else ""))


def _is_known(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
