"""What a run of `bench.money` promises: the law of limits over what four accounts say of it."""

from collections.abc import Sequence
from dataclasses import dataclass

USABLE_SHARE = 0.95
# Between the gateway's decision and the provider's clock lie two sockets and a busy machine.
JITTER_SECONDS = 0.1


@dataclass(frozen=True)
class Outcome:
    """What was measured of one run; amounts in picodollars or units of its resource."""

    run: str
    resource: str
    """`usd`, `tokens`, or `requests` of a rate."""
    amount: int
    """What the limit says: a budget, or a rate each second."""
    rate_seconds: float | None
    """From the first to the last request that a rate let through."""
    bound: int
    """The most that one request is held for; 0 where that is not known beforehand."""
    provider: int
    """The provider's bill: every request that it was asked, in full."""
    booked: int
    """By the spool."""
    ledger: int
    """By the ledger."""
    standing: int
    """By the admin listener."""
    held: int
    """What it says is still reserved, with nothing under way."""
    excess: int
    """What was billed beyond the reservations, by the spool."""
    excess_of_lost: int
    """What was billed at most beyond the reservations of exchanges that it died in: on no record."""
    lost: int
    """Exchanges that the gateway died in."""
    lost_twice: int
    is_reported: bool
    """The provider reports what it bills."""
    was_killed: bool
    clients: int
    stopped: int
    """Clients that were told that nothing is left."""
    sent: int
    answers: dict[str, int]
    asked_provider: int
    burst_excess: float | None
    """By how many requests the worst interval is beyond a rate's law; see `worst_excess`."""
    seconds: float

    @property
    def allowed(self) -> int:
        """The most that may be used: the budget, or of a rate its burst and what came back since."""
        return self.amount if self.rate_seconds is None else int(self.amount * (1 + self.rate_seconds))


def broken(outcome: Outcome) -> list[str]:
    """The promises that a run does not keep."""
    found = law_of_rates(outcome) if outcome.rate_seconds else law_of_budgets(outcome)
    if outcome.held:
        found.append(f"{outcome.held} are still held when nothing is under way")
    if outcome.booked < USABLE_SHARE * outcome.allowed:
        found.append(f"only {outcome.booked} of {outcome.allowed} could be used")
    return [f"{outcome.run}: {problem}" for problem in found]


def law_of_budgets(outcome: Outcome) -> list[str]:
    """Spent ≤ budget as long as no more is billed than was reserved; all accounts say the same."""
    found = []
    for account in ("provider", "booked", "ledger", "standing"):
        spent = getattr(outcome, account)
        excess = outcome.excess + (outcome.excess_of_lost if account == "provider" else 0)
        if spent > outcome.amount + excess:
            found.append(f"{spent} by {account}, of {outcome.amount} and an excess of {excess}")
    if not outcome.booked == outcome.ledger == outcome.standing:
        found.append(
            f"the spool says {outcome.booked}, the ledger {outcome.ledger}, the limit {outcome.standing}"
        )
    if outcome.is_reported and not outcome.was_killed and outcome.provider != outcome.booked:
        found.append(f"billed {outcome.provider}, booked {outcome.booked}")
    if outcome.is_reported and outcome.provider > outcome.booked + outcome.excess_of_lost:
        found.append(f"billed {outcome.provider}, booked only {outcome.booked}")
    if outcome.stopped != outcome.clients:
        found.append(
            f"{outcome.clients - outcome.stopped} of {outcome.clients} clients were never told to stop"
        )
    if outcome.was_killed and not outcome.lost:
        found.append("nothing was under way when the gateway was killed")
    if outcome.lost_twice:
        found.append(f"{outcome.lost_twice} exchanges have more than one record")
    return found


def law_of_rates(outcome: Outcome) -> list[str]:
    """Admitted ≤ burst + rate * time, in any time."""
    slack = outcome.amount * JITTER_SECONDS
    if outcome.burst_excess is not None and outcome.burst_excess > slack:
        return [
            f"{outcome.burst_excess:.1f} requests beyond burst and rate in some time, {slack:g} are jitter"
        ]
    return []


def worst_excess(arrived: Sequence[float], rate_per_second: float, burst: int) -> float:
    """By how many requests the worst interval is beyond burst + rate * time; negative where all are within.

    `arrived`: seconds, in any order. Every pair of arrivals bounds an interval; the largest of
    `(j - i + 1) - burst - rate * (t_j - t_i)` is found in one pass, keeping the smallest `i - rate * t_i`.
    """
    worst, least = float("-inf"), float("inf")
    first = min(arrived, default=0.0)
    for number, at in enumerate(sorted(arrived)):
        place = number - rate_per_second * (at - first)
        least = min(least, place)
        worst = max(worst, place - least + 1 - burst)
    return worst
