"""Settings of resilience: what is done about providers that fail, and drills that try it out."""

from typing import Annotated

from msgspec import Meta, field

from fastgate.config.table import AnyIdentity, AnyText, Retries, Table, duration, share, size
from fastgate.config.units import Duration, Moment, Percent, Share, Size


class Breaker(Table, frozen=True, kw_only=True):
    """When a deployment or a credential is left alone, and for how long."""

    failures: Annotated[int, Meta(ge=1, le=1_000, description="Failures in a row that open it.")] = 5
    success_share: Annotated[
        Share, Meta(description="It also opens when a smaller share of recent calls succeeds.")
    ] = share("50%")
    minimum_calls: Annotated[
        int, Meta(ge=1, le=10_000, description="Recent calls that have to be known before that counts.")
    ] = 20
    open: Annotated[
        Duration,
        Meta(description="How long it stays open the first time; doubled each time that the trial fails."),
    ] = duration("2s")
    open_max: Annotated[Duration, Meta(description="It never stays open longer than this.")] = duration("20s")


class Idempotency(Table, frozen=True, kw_only=True):
    """Answers that are kept for repeats with the same `Idempotency-Key`."""

    keep: Annotated[Duration, Meta(description="How long an answer is kept.")] = duration("10m")
    size: Annotated[Size, Meta(description="How large all kept answers together may be.")] = size("64MB")


class Resilience(Table, frozen=True, kw_only=True):
    """What is done about providers that fail."""

    retries: Annotated[
        Retries,
        Meta(
            description="How often a failed call is repeated on a deployment before the next in the chain is "
            "tried."
        ),
    ] = 2
    backoff: Annotated[
        Duration,
        Meta(
            description="The first repeat of a call waits for a random time up to this, the next up to twice "
            "as long."
        ),
    ] = duration("250ms")
    backoff_max: Annotated[Duration, Meta(description="No repeat waits longer of its own accord.")] = (
        duration("2s")
    )
    wait_max: Annotated[
        Duration,
        Meta(description="Where a provider asks for a longer pause, the next one in the chain is tried."),
    ] = duration("5s")
    retry_share: Annotated[
        Share, Meta(description="Repeats that a provider may get, as a share of its first calls.")
    ] = share("10%")
    retries_per_second: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Repeats it may get beside that, whatever the traffic.")
    ] = 1
    breaker: Annotated[
        Breaker, Meta(description="When a deployment or a credential is left alone, and for how long.")
    ] = field(default_factory=Breaker)
    credential_pause: Annotated[
        Duration, Meta(description="How long a credential that the provider refused is left alone.")
    ] = duration("5m")
    adaptive_concurrency: Annotated[
        bool, Meta(description="Limit calls under way while a provider says that it is overloaded.")
    ] = True
    probe: Annotated[
        Duration | None,
        Meta(
            description="How often a deployment that is left alone is asked for its models; never if absent: "
            "requests try it then."
        ),
    ] = None
    idempotency: Annotated[
        Idempotency, Meta(description="Answers that are kept for repeats with the same `Idempotency-Key`.")
    ] = field(default_factory=Idempotency)


LONGEST_DRILL = Duration.parse("31d")
# A drill's report is a file beside the drill's own, with this behind its id.
DRILL_REPORT_SUFFIX = "-report"


class Drill(Table, frozen=True, kw_only=True):
    """A failover drill: calls of chosen traffic to one provider fail on purpose, before they are sent."""

    provider: Annotated[str, Meta(description="Id in `[providers]`: which one is to seem down.")]
    percent: Annotated[
        Percent, Meta(description="Percentage of its calls that fail, above 0, with up to four decimals.")
    ]
    tenant: Annotated[
        AnyText | None, Meta(description="Id in `[tenants]`, or `default`: whose requests; all if absent.")
    ] = None
    feature: Annotated[AnyIdentity | None, Meta(description="Of which features; of all if absent.")] = None
    start: Annotated[Moment | None, Meta(description="When it begins; when it is first read if absent.")] = (
        field(default=None, name="from")
    )
    length: Annotated[Duration, Meta(description="How long it goes on.")] = field(name="for")
    error_share: Annotated[
        Share,
        Meta(description="It stops itself when a larger share of the requests it touched fails."),
    ] = share("5%")
    minimum_exchanges: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Requests that have to be over before that counts.")
    ] = 20
