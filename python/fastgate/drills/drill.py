"""What a drill is: whose traffic is kept from which provider, how much of it, for how long, and its guard.

Times are Unix milliseconds, shares thousandths.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from fastgate.config.resilience_settings import DRILL_REPORT_SUFFIX, LONGEST_DRILL
from fastgate.config.units import Duration
from fastgate.errors import FastgateError

# Stands for the beginning of a drill of the configuration that names none.
WHEN_READ = 0
ERROR_SHARE_PERMILLE = 50
MINIMUM_EXCHANGES = 20

# What became of a drill. `ended`: its time was over; `stopped`: by somebody; `tripped`: by its guard.
State: TypeAlias = Literal["running", "ended", "stopped", "tripped"]

_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%")


class DrillRefused(FastgateError):
    """A drill that can't be started, or stopped."""

    status = 400
    code = "drill_refused"

    def __init__(self, message: str, *, status: int = 400, code: str = "drill_refused") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """One drill, as it was asked for."""

    id: str
    provider: str
    permille: int
    tenants: tuple[str, ...] | None = None
    """None: of every tenant; the same for features."""
    features: tuple[str, ...] | None = None
    starts_unix_ms: int
    ends_unix_ms: int
    error_share_permille: int = ERROR_SHARE_PERMILLE
    minimum_exchanges: int = MINIMUM_EXCHANGES
    origin: Literal["admin", "configuration"] = "admin"
    started_by: str | None = None

    @property
    def percent(self) -> int | float:
        """Share of the traffic, as people write it."""
        return self.permille // 10 if self.permille % 10 == 0 else self.permille / 10

    def overlaps(self, other: "Drill") -> bool:
        """Whether some exchange could belong to both."""
        return (
            self.provider == other.provider
            and _meet(self.tenants, other.tenants)
            and _meet(self.features, other.features)
            and self.starts_unix_ms < other.ends_unix_ms
            and other.starts_unix_ms < self.ends_unix_ms
        )

    def for_engine(self) -> dict[str, Any]:
        """The entry of `Engine.set_drills`."""
        return {
            "id": self.id,
            "provider": self.provider,
            "permille": self.permille,
            "tenants": self.tenants,
            "features": self.features,
            "ends_unix_ms": self.ends_unix_ms,
        }

    def shown(self) -> dict[str, Any]:
        """As the admin API and reports show it."""
        return {
            "id": self.id,
            "provider": self.provider,
            "percent": self.percent,
            "tenants": self.tenants,
            "features": self.features,
            "starts_unix_ms": self.starts_unix_ms,
            "ends_unix_ms": self.ends_unix_ms,
            "error_share": f"{self.error_share_permille / 10:g}%",
            "minimum_exchanges": self.minimum_exchanges,
            "origin": self.origin,
            "started_by": self.started_by,
        }

    def __str__(self) -> str:
        who = [f"{name} {', '.join(names)}" for name, names in _scopes(self) if names is not None]
        of = f" of {' and '.join(who)}" if who else ""
        return f"{self.id}: {self.percent} % of {self.provider}{of}"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges of a drill: all, those that failed, those that were kept from the provider."""

    exchanges: int = 0
    failed: int = 0
    forced: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            exchanges=self.exchanges + other.exchanges,
            failed=self.failed + other.failed,
            forced=self.forced + other.forced,
        )

    def minus(self, other: "Counts") -> "Counts":
        """What these have more."""
        return Counts(
            exchanges=self.exchanges - other.exchanges,
            failed=self.failed - other.failed,
            forced=self.forced - other.forced,
        )


def _scopes(drill: Drill) -> Sequence[tuple[str, tuple[str, ...] | None]]:
    return (("tenant", drill.tenants), ("feature", drill.features))


def _meet(some: tuple[str, ...] | None, others: tuple[str, ...] | None) -> bool:
    return some is None or others is None or not set(some).isdisjoint(others)


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A drill as the admin API takes it."""

    provider: str
    percent: int | float | str
    length: str = msgspec.field(name="for")
    tenant: str | list[str] | None = None
    feature: str | list[str] | None = None
    error_share: int | float | str = "5%"
    minimum_exchanges: int = MINIMUM_EXCHANGES


def read_drill(asked: Mapping[str, Any], drill_id: str, now_unix_ms: int, *, by: str | None) -> Drill:
    """A drill that begins now, from what the admin API was sent.

    Raises:
        DrillRefused: Something is missing, unknown or out of range.
    """
    try:
        found = msgspec.convert(asked, _Asked)
        length_ms = _named("for", Duration.parse, found.length)
        drill = Drill(
            id=drill_id,
            provider=found.provider,
            permille=_named("percent", permille, found.percent),
            tenants=_names("tenant", found.tenant),
            features=_names("feature", found.feature),
            starts_unix_ms=now_unix_ms,
            ends_unix_ms=now_unix_ms + length_ms,
            error_share_permille=_named("error_share", parse_share, found.error_share),
            minimum_exchanges=found.minimum_exchanges,
            started_by=by,
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise DrillRefused(str(error), code="invalid_drill") from None
    check(drill)
    return drill


def check(drill: Drill) -> None:
    """What holds for every drill, wherever it comes from.

    Raises:
        DrillRefused: Something is out of range.
    """
    length_ms = drill.ends_unix_ms - drill.starts_unix_ms
    if not 0 < length_ms <= LONGEST_DRILL:
        raise DrillRefused(
            f"for: must be longer than nothing and at most {LONGEST_DRILL}", code="invalid_drill"
        )
    if not 1 <= drill.permille <= 1000:
        raise DrillRefused("percent: must be from 0.1 to 100", code="invalid_drill")
    if not 0 <= drill.error_share_permille <= 1000:
        raise DrillRefused('error_share: must be from "0%" to "100%"', code="invalid_drill")
    if drill.minimum_exchanges < 1:
        raise DrillRefused("minimum_exchanges: must be at least 1", code="invalid_drill")
    if drill.id.endswith(DRILL_REPORT_SUFFIX):
        raise DrillRefused(
            f"a drill's id can't end in {DRILL_REPORT_SUFFIX}: that is its report's name",
            code="invalid_drill",
        )


def permille(percent: float | str) -> int:
    """Thousandths of a percentage, written as a number or as `10%`.

    Raises:
        ValueError: It is not from 0.1 to 100, or finer than a tenth.
    """
    thousandths = _decimal(percent) * 10
    if not thousandths.is_finite() or thousandths != int(thousandths) or not 1 <= thousandths <= 1000:
        raise ValueError("must be from 0.1 to 100, in steps of 0.1")
    return int(thousandths)


def parse_share(share: float | str) -> int:
    """Thousandths of a share, written as `5%` or as a number from 0 to 1.

    Raises:
        ValueError: It is neither, or finer than a thousandth.
    """
    thousandths = _decimal(share) * (10 if isinstance(share, str) else 1000)
    if not thousandths.is_finite() or thousandths != int(thousandths) or not 0 <= thousandths <= 1000:
        raise ValueError('must be a share from "0%" to "100%", as "5%" or 0.05')
    return int(thousandths)


def _decimal(number: float | str) -> Decimal:
    if not isinstance(number, str):
        # The number that was written, not the nearest that a float can hold.
        return Decimal(repr(number))
    match = _PERCENTAGE.fullmatch(number)
    return Decimal(match[1]) if match else Decimal("NaN")


def _named(field: str, parse: Any, value: Any) -> int:
    try:
        return int(parse(value))
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def _names(field: str, given: str | list[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = (given,) if isinstance(given, str) else tuple(dict.fromkeys(given))
    if not names or not all(names):
        raise ValueError(f"{field}: must be a name, or a list of them")
    return names
