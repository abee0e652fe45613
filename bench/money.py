"""A budget under 1,000 clients at once: `python -m bench.money`.

A tenant has a hard limit; its clients ask over loopback until they are told that nothing is left. Runs differ
in what the provider bills, beside what was reserved, and in what becomes of the gateway. Held against each
other: what the provider says it was asked (its own record, every request of it in full), what the spool has,
what the ledger makes of it, what the admin listener says. Exit 1 when a promise is broken.
`docs/money-simulation.md` explains the figures.
"""

import argparse
import datetime
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.money_law import Outcome, broken, worst_excess
from bench.money_site import MAX_TOKENS, PROFILES, Site, bound_pusd, excess, mean_pusd, mean_tokens
from bench.spenders import Order, Spenders
from bench.versions import versions

HERE = Path(__file__).parent
CLIENTS, SERVED = 1000, 3000
QUICK_CLIENTS, QUICK_SERVED = 40, 150
BOUNDS = 40
REQUESTS_MAX = 50_000
# A run ends by itself; this is for one that does not.
SECONDS_MAX = 55.0
RATE_SECONDS, QUICK_RATE_SECONDS = 10.0, 2.0
RATE_PER_SECOND, QUICK_RATE_PER_SECOND = 150, 12
STREAMS_SHARE = 0.3


@dataclass(frozen=True)
class Run:
    """One run: which limit, what the provider bills, and whether the gateway is killed in the middle."""

    name: str
    resource: str = "usd"
    profile: str = "as_reserved"
    killed: bool = False


RUNS = (
    Run("steady"),
    Run("kill -9 and restart", killed=True),
    Run("bills less", profile="less"),
    Run("bills more", profile="more"),
    Run("bills more, kill -9", profile="more", killed=True),
    Run("reports nothing", profile="nothing"),
    Run("tokens", resource="tokens"),
    Run("tokens, kill -9", resource="tokens", killed=True),
    Run("rate", resource="requests"),
)


def limit_of(run: Run, served: int, rate: int) -> tuple[str, int]:
    """The tenant's limit as a configuration has it, and its amount in units or picodollars."""
    if run.resource == "requests":
        return f'requests = {rate}, window = "1s"', rate
    if run.resource == "tokens":
        tokens = served * mean_tokens(run.profile)
        return f'tokens = {tokens}, window = "day", hard = true', tokens
    # However little a request costs, what one is held for is a small part of the budget.
    amount = max(served * mean_pusd(run.profile), BOUNDS * bound_pusd())
    return f'usd = "{amount // 10**12}.{amount % 10**12:012}", window = "month"', amount


def measure(run: Run, directory: Path, *, quick: bool, seed: int) -> Outcome:
    """Make a run.

    Raises:
        BenchError: Something did not behave, or the clients were never told to stop.
    """
    served = QUICK_SERVED if quick else SERVED
    rate = QUICK_RATE_PER_SECOND if quick else RATE_PER_SECOND
    rate_seconds = QUICK_RATE_SECONDS if quick else RATE_SECONDS
    limit, amount = limit_of(run, served, rate)
    is_rate = run.resource == "requests"
    with Site(directory, limit, seed=seed) as site:
        order = Order(
            port=site.port,
            key=site.key,
            models=site.models(run.profile),
            max_tokens=MAX_TOKENS,
            streams_share=STREAMS_SHARE,
            clients=QUICK_CLIENTS if quick else CLIENTS,
            requests_max=REQUESTS_MAX,
            seconds=rate_seconds if is_rate else SECONDS_MAX,
            seed=seed,
        )
        spenders = Spenders(order)
        told, seconds = site.spend(spenders, kill_after=served // 2 if run.killed else None)
        site.wait_until_quiet()
        standing = site.standing()
        books = site.books()
        bills = site.bills()
    used = {"usd": books.cost_pusd, "tokens": books.tokens, "requests": books.attempted}
    excess_pusd, excess_tokens = excess(run.profile)
    billed = {"usd": bills.cost_pusd, "tokens": bills.tokens, "requests": len(bills.arrived)}
    return Outcome(
        run=run.name,
        resource=run.resource,
        amount=amount,
        rate_seconds=max(bills.arrived) - min(bills.arrived) if is_rate else None,
        bound=bound_pusd() if run.resource == "usd" else 0,
        provider=billed[run.resource],
        booked=used[run.resource],
        ledger=books.ledger_pusd if run.resource == "usd" else used[run.resource],
        standing=standing.used,
        held=standing.reserved,
        excess=books.excess_pusd if run.resource == "usd" else books.excess_tokens,
        excess_of_lost=books.lost * (excess_pusd if run.resource == "usd" else excess_tokens),
        lost=books.lost,
        lost_twice=books.lost_twice,
        is_reported=run.profile != "nothing",
        was_killed=run.killed,
        clients=order.clients,
        stopped=told.stopped,
        sent=told.sent,
        answers=dict(told.answers),
        asked_provider=len(bills.arrived),
        burst_excess=worst_excess(bills.arrived, rate, rate) if is_rate else None,
        seconds=seconds,
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown."""
    head = (
        *("run", "limit", "provider's bill", "booked", "used", "excess booked", "lost", "requests"),
        *("of them served", "denied", "told to stop", "seconds"),
    )
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *map(row, outcomes)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def row(outcome: Outcome) -> tuple[str, ...]:
    """A run's line."""
    denied = sum(count for code, count in outcome.answers.items() if code not in ("answered", "gone"))
    return (
        outcome.run,
        quantity(outcome, outcome.allowed),
        quantity(outcome, outcome.provider),
        quantity(outcome, outcome.booked),
        f"{int(outcome.booked / outcome.allowed * 1000) / 10} %",
        quantity(outcome, outcome.excess) if outcome.excess else "-",
        f"{outcome.lost:,}" if outcome.was_killed else "-",
        f"{outcome.sent:,}",
        f"{outcome.answers.get('answered', 0):,}",
        f"{denied:,}",
        "-" if outcome.rate_seconds else f"{outcome.stopped:,}",
        f"{outcome.seconds:.1f}",
    )


def quantity(outcome: Outcome, amount: int) -> str:
    """Money in dollars, or a count."""
    return f"${amount / 10**12:.4f}" if outcome.resource == "usd" else f"{amount:,}"


def write(folder: Path, outcomes: Sequence[Outcome], problems: Sequence[str], when: str) -> Path:
    """Write both reports; the path of the Markdown one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{when.replace(':', '').replace(' ', '-')}-money.md"
    said = "".join(f"\nbroken: {problem}" for problem in problems)
    found = versions()
    machine = ", ".join(
        f"{name} {found[name]}" for name in ("cpu", "cpus", "kernel", "python", "fastgate") if name in found
    )
    path.write_text(f"# Money, {when}\n\n{machine}\n\n{table(outcomes)}\n{said}")
    document = {
        "when": when,
        "versions": found,
        "profiles": {name: [asdict(bill) for bill in bills] for name, bills in PROFILES.items()},
        "runs": [asdict(outcome) for outcome in outcomes],
        "broken": list(problems),
    }
    path.with_suffix(".json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path


def main() -> int:
    """Make all runs, or those that are named; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.money", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few clients, small budgets")
    parser.add_argument("--run", action="append", choices=[run.name for run in RUNS], help="only this one")
    parser.add_argument(
        "--seed", type=int, default=1, help="what the clients draw from (default %(default)s)"
    )
    parser.add_argument(
        "--output", default=str(HERE / "results"), help="where reports go (default %(default)s)"
    )
    given = parser.parse_args()
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
    outcomes: list[Outcome] = []
    for run in RUNS:
        if given.run and run.name not in given.run:
            continue
        directory = Path(tempfile.mkdtemp(prefix="fastgate-money-"))
        try:
            outcomes.append(measure(run, directory, quick=given.quick, seed=given.seed))
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    problems = [problem for outcome in outcomes for problem in broken(outcome)]
    path = write(Path(given.output), outcomes, problems, when)
    print(path.read_text())
    return int(bool(problems))


if __name__ == "__main__":
    raise SystemExit(main())
