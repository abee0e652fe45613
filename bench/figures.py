"""From samples to one set of figures per target. Pure: samples in, numbers out."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from bench.bars import ERRORS
from bench.books import Audit
from bench.instance import DIRECT
from bench.runner import Results
from bench.samples import HeldSample, IdleSample, LoadSample, StartSample, StreamSample
from bench.stats import least_added, median, median_ratio
from bench.targets import TARGETS

REFERENCE = "nginx"
MEGABYTE = 1e6
KIBIBYTE = 1024

Sample = TypeVar("Sample", LoadSample, IdleSample, StreamSample, StartSample, HeldSample)
Figures = dict[str, float | None]


def by_round(
    samples: Iterable[Sample], target: str, value: Callable[[Sample], float | None]
) -> dict[int, float]:
    """One value per round of one target; rounds without the value are left out."""
    values = ((sample.round, value(sample)) for sample in samples if sample.target == target)
    return {turn: number for turn, number in values if number is not None}


def reference_of(target: str) -> str:
    """The nginx that a target is compared with."""
    return TARGETS[target].reference if target in TARGETS else REFERENCE


def _median(values: dict[int, float]) -> float | None:
    return median(list(values.values())) if values else None


def _least(values: dict[int, float]) -> float | None:
    return min(values.values()) if values else None


def load_figures(samples: list[LoadSample], target: str) -> Figures:
    """Figures of the wrk runs."""
    cpu = by_round(samples, target, lambda sample: sample.cpu_us)
    reference = by_round(samples, reference_of(target), lambda sample: sample.cpu_us)

    def middle(value: Callable[[LoadSample], float | None]) -> float | None:
        return _median(by_round(samples, target, value))

    return {
        "load_cpu_us": _median(cpu),
        "load_cpu_min_us": _least(cpu),
        "load_ratio": median_ratio(cpu, reference),
        "requests_per_second": middle(lambda sample: sample.requests_per_second),
        "p50_us": middle(lambda sample: sample.p50_us),
        "p99_us": middle(lambda sample: sample.p99_us),
        "p999_us": middle(lambda sample: sample.p999_us),
        "p99_min_us": _least(by_round(samples, target, lambda sample: sample.p99_us)),
        "rss_mb": middle(lambda sample: sample.rss_bytes and sample.rss_bytes / MEGABYTE),
        "pss_mb": middle(lambda sample: sample.pss_bytes and sample.pss_bytes / MEGABYTE),
        "foreign_share": middle(lambda sample: sample.foreign_share),
        "policy_p50_us": middle(lambda sample: sample.policy_p50_us),
        "verified": sum(by_round(samples, target, lambda sample: sample.verified).values()),
    }


def idle_figures(samples: list[IdleSample], target: str) -> Figures:
    """Figures of the single connection; what is added is against the upstream asked directly in the same
    round.
    """
    direct = by_round(samples, DIRECT, lambda sample: sample.p50_us)
    own = by_round(samples, target, lambda sample: sample.p50_us)
    added = least_added(own, direct)
    reference = least_added(by_round(samples, reference_of(target), lambda sample: sample.p50_us), direct)
    return {
        "idle_p50_min_us": _least(own),
        "idle_p99_us": _median(by_round(samples, target, lambda sample: sample.p99_us)),
        "idle_cpu_us": _median(by_round(samples, target, lambda sample: sample.cpu_us)),
        "idle_added_us": None if target == DIRECT else added,
        "idle_added_ratio": added / reference
        if added is not None and reference and target != DIRECT
        else None,
    }


def stream_figures(samples: list[StreamSample], target: str, kind: str) -> Figures:
    """Figures of one kind of stream."""
    mine = [sample for sample in samples if sample.kind == kind]
    cpu = by_round(mine, target, lambda sample: sample.cpu_us_per_chunk)
    reference = by_round(mine, reference_of(target), lambda sample: sample.cpu_us_per_chunk)
    return {
        f"{kind}_cpu_us": _median(cpu),
        f"{kind}_cpu_min_us": _least(cpu),
        f"{kind}_ratio": median_ratio(cpu, reference),
        f"{kind}_first_p50_us": _median(by_round(mine, target, lambda sample: sample.first_byte_p50_us)),
        f"{kind}_whole_p50_us": _median(by_round(mine, target, lambda sample: sample.whole_p50_us)),
        f"{kind}_whole_p99_us": _median(by_round(mine, target, lambda sample: sample.whole_p99_us)),
        f"{kind}_streams": sum(by_round(mine, target, lambda sample: sample.streams).values()),
        f"{kind}_wrong": sum(by_round(mine, target, lambda sample: sample.errors).values()),
    }


def held_figures(samples: list[HeldSample], target: str) -> Figures:
    """Figures of streams held open at once."""
    return {
        "held_kib": _median(by_round(samples, target, lambda sample: sample.stream_bytes / KIBIBYTE)),
        "held_before_mb": _median(
            by_round(samples, target, lambda sample: sample.before_rss_bytes / MEGABYTE)
        ),
        "held_rss_mb": _median(by_round(samples, target, lambda sample: sample.held_rss_bytes / MEGABYTE)),
        "held_streams": sum(by_round(samples, target, lambda sample: sample.streams).values()),
        "held_wrong": sum(by_round(samples, target, lambda sample: sample.errors).values()),
    }


def start_figures(samples: list[StartSample], target: str) -> Figures:
    """Figures of fresh starts."""
    seconds = by_round(samples, target, lambda sample: sample.first_answer_seconds)
    return {
        "start_seconds": _median(seconds),
        "start_min_seconds": _least(seconds),
        "idle_rss_mb": _median(by_round(samples, target, lambda sample: sample.rss_bytes / MEGABYTE)),
        "idle_pss_mb": _median(by_round(samples, target, lambda sample: sample.pss_bytes / MEGABYTE)),
        "idle_cpu_ms_per_second": _median(
            by_round(samples, target, lambda sample: sample.idle_cpu_ms_per_second)
        ),
    }


def books_figures(audits: list[Audit]) -> Figures:
    """What a gateway wrote down, over all measures."""
    if not audits:
        return {}
    return {
        "books_replies": sum(audit.replies for audit in audits),
        "books_records": sum(audit.entries.records for audit in audits),
        "books_answered": sum(audit.entries.answered for audit in audits),
        "books_client_gone": sum(audit.entries.client_gone for audit in audits),
        "books_unsettled": sum(audit.unsettled for audit in audits),
        "books_unrecorded": sum(audit.unrecorded for audit in audits),
        "books_surplus": sum(audit.surplus for audit in audits),
        "books_incomplete": sum(audit.entries.incomplete for audit in audits),
    }


def figures(results: Results) -> dict[str, Figures]:
    """All figures by target, in the order the targets came."""
    everything: list[LoadSample | IdleSample | StreamSample | StartSample | HeldSample]
    everything = [*results.load, *results.idle, *results.streams, *results.starts, *results.held]
    names = dict.fromkeys(sample.target for sample in everything)
    counted: list[LoadSample | StreamSample | HeldSample] = [*results.load, *results.streams, *results.held]
    found: dict[str, Figures] = {}
    for name in names:
        errors = sum(sample.errors for sample in counted if sample.target == name)
        errors += sum(
            sample.books.errors for sample in results.idle if sample.target == name and sample.books
        )
        errors += sum(failure.target == name for failure in results.failures)
        booked: list[LoadSample | IdleSample | StreamSample | HeldSample] = [*counted, *results.idle]
        found[name] = {
            **books_figures([one.books for one in booked if one.target == name and one.books]),
            **load_figures(results.load, name),
            **idle_figures(results.idle, name),
            **stream_figures(results.streams, name, "paced"),
            **stream_figures(results.streams, name, "unpaced"),
            **start_figures(results.starts, name),
            **held_figures(results.held, name),
            ERRORS: errors,
        }
    if results.wheel_bytes is not None:
        found["wheel"] = {"wheel_mb": results.wheel_bytes / MEGABYTE}
    return found
