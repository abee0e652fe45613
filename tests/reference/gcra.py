"""`Limiter`, by looking at every window there is."""

from dataclasses import dataclass, field
from fractions import Fraction

MINUTE_NS = 60_000_000_000


@dataclass
class Admission:
    """Units let in at a time, as reserved or, once known, as used."""

    at_ns: int
    cost: int
    expires_ns: int | None = None


@dataclass
class Limiter:
    """A rate that no window exceeds; every admission is remembered for good."""

    rate_per_minute: int
    burst: int
    hold_ns: int
    admissions: list[Admission] = field(default_factory=list)

    def held(self, now_ns: int) -> Fraction:
        """Units by which the fullest of the windows that end now exceeds the rate."""
        sums = Fraction(0)
        fullest = Fraction(0)
        for admission in reversed(self.admissions):
            sums += admission.cost
            elapsed = Fraction((now_ns - admission.at_ns) * self.rate_per_minute, MINUTE_NS)
            fullest = max(fullest, sums - elapsed)
        return fullest

    def admit(self, cost: int, now_ns: int, *, reserve: bool = False) -> Admission | None:
        """Let `cost` units in if every window stays within burst and rate."""
        if self.held(now_ns) + cost > self.burst:
            return None
        admission = Admission(now_ns, cost, now_ns + self.hold_ns if reserve else None)
        self.admissions.append(admission)
        return admission

    def settle(self, admission: Admission, actual: int, now_ns: int) -> bool:
        """Say what was used: once, and before it expires."""
        if admission.expires_ns is None or now_ns >= admission.expires_ns:
            return False
        admission.cost = actual
        admission.expires_ns = None
        return True

    def available(self, now_ns: int) -> int:
        """Whole units that would fit."""
        return int(max(Fraction(0), self.burst - self.held(now_ns)))
