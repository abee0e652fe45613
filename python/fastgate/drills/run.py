"""One drill while it runs: what its exchanges have come to, and its guard."""

from dataclasses import dataclass
from typing import Any

import msgspec

from fastgate.drills.drill import Counts, Drill
from fastgate.drills.guard import Guard
from fastgate.drills.keeping import Kept


@dataclass
class Run:
    """A drill that runs. Times are Unix milliseconds."""

    kept: Kept
    guard: Guard
    seen: Counts
    """What the engine's counts were; it may begin anew, so only what they grow by counts."""
    kept_at_ms: int

    @classmethod
    def of(cls, kept: Kept, now_ms: int, seen: Counts) -> "Run":
        """From what was kept of it; `seen`: the engine's counts now."""
        guard = Guard(kept.drill.error_share_permille, kept.drill.minimum_exchanges)
        return cls(kept, guard, seen, now_ms)

    def count(self, seen: Counts) -> None:
        """Take over the engine's counts."""
        grown = seen if seen.exchanges < self.seen.exchanges else seen.minus(self.seen)
        self.seen = seen
        self.kept = msgspec.structs.replace(self.kept, counts=self.kept.counts.plus(grown))


def shown(kept: Kept) -> dict[str, Any]:
    """A drill that has begun, as the admin API shows it."""
    return {
        **kept.drill.shown(),
        "state": kept.state,
        "ended_unix_ms": kept.ended_unix_ms,
        "why": kept.why,
        **msgspec.structs.asdict(kept.counts),
    }


def shown_to_come(drill: Drill, why: str | None) -> dict[str, Any]:
    """One that has not; `why`: what keeps it from beginning, if anything does."""
    nothing = {"ended_unix_ms": None, "why": why, **msgspec.structs.asdict(Counts())}
    return {**drill.shown(), "state": "scheduled", **nothing}
