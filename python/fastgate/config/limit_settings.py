"""Settings of limits: what customers may use, what providers let the gateway do, what waiting may take."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, field

from fastgate.config.amounts import Dollars, Multiple, Quantity
from fastgate.config.table import ALONE, AnyId, AnyIdentity, AnyText, Table, duration
from fastgate.config.units import Duration, Secret, Share
from fastgate.config.windows import UTC, TimeZone, Window

# In the order of `Scope` in rust/core/src/tables/limits.rs.
Scope: TypeAlias = Literal["tenant", "tier", "key", "user", "feature", "session", "model"]
Resource: TypeAlias = Literal["requests", "input_tokens", "output_tokens", "tokens", "concurrent", "usd"]

# Largest amount of anything but money; far above any, and exact in JSON.
Units = Annotated[int, Meta(ge=1, le=1_000_000_000_000_000)]
Calls = Annotated[int, Meta(ge=1, le=1_000_000)]
AnyScope = Annotated[list[Scope], ALONE]
# Names travel in headers: visible ASCII and blanks without quotes.
RuleName = Annotated[str, Meta(pattern=r"^[!#-&(-~](?:[ !#-&(-~]{0,126}[!#-&(-~])?$")]


class Weights(Table, frozen=True, kw_only=True):
    """How the provider counts tokens against its limits. Known vendors have theirs (`docs/limits.md`)."""

    cache_read: Annotated[
        Share | None, Meta(description="Input from the prompt cache counts so much of other input.")
    ] = None
    output: Annotated[Multiple | None, Meta(description="Output counts so many times as much as input.")] = (
        None
    )
    reserves_max_tokens: Annotated[
        bool | None,
        Meta(
            description="A request is charged its `max_tokens` in full until its answer is there, not what "
            "it will probably need."
        ),
    ] = None


class Capacity(Table, frozen=True, kw_only=True):
    """What a provider lets a deployment or a key do. What it says about itself in headers counts as well; the
    smaller wins."""

    requests_per_minute: Annotated[Units | None, Meta(description="Requests a minute.")] = None
    requests_per_day: Annotated[Units | None, Meta(description="Requests a day, from midnight UTC.")] = None
    tokens_per_minute: Annotated[
        Units | None, Meta(description="Tokens a minute, input and output together.")
    ] = None
    input_tokens_per_minute: Annotated[Units | None, Meta(description="Input tokens a minute.")] = None
    output_tokens_per_minute: Annotated[Units | None, Meta(description="Output tokens a minute.")] = None
    concurrent: Annotated[Calls | None, Meta(description="Requests under way at once.")] = None
    weights: Annotated[Weights, Meta(description="How it counts tokens.")] = field(default_factory=Weights)


class Downgrade(Table, frozen=True, kw_only=True):
    """Where requests go while little is left."""

    at: Annotated[Share, Meta(description="From this share of the limit on.")]
    model: Annotated[str, Meta(description="Name of a cheaper model, as a client would send it.")]


class LimitWhen(Table, frozen=True, kw_only=True):
    """Whose requests a limit is about: all conditions must hold, each by any of its values."""

    tenant: Annotated[AnyText | None, Meta(description="Id in `[tenants]`, or `default`.")] = None
    tier: Annotated[AnyText | None, Meta(description="Id in `[tiers]`: the tenant's.")] = None
    key: Annotated[
        AnyText | None,
        Meta(description="A key's `name`, or the first 12 hex digits of its digest."),
    ] = None
    user: Annotated[AnyIdentity | None, Meta(description="Who asked.")] = None
    feature: Annotated[AnyIdentity | None, Meta(description="Product surface.")] = None
    model: Annotated[AnyId | None, Meta(description="Name that the client sent.")] = None


class Limit(Table, frozen=True, kw_only=True):
    """So much of one resource in a window; exactly one resource is named."""

    stands_alone: ClassVar[bool] = True
    name: Annotated[
        RuleName | None,
        Meta(
            description="Names it in messages, headers and reports. If absent: made of what it says, as "
            "`tenant acme: tokens per user and 1h`."
        ),
    ] = None
    per: Annotated[
        AnyScope | None,
        Meta(
            description="What has a count of its own: one scope, or several together. If absent: whose limit "
            "it is (in `[[limits]]`: none, all share one count)."
        ),
    ] = None
    when: Annotated[LimitWhen | None, Meta(description="Only these requests; all if absent.")] = None
    requests: Annotated[Units | None, Meta(description="Requests.")] = None
    input_tokens: Annotated[Units | None, Meta(description="Input tokens.")] = None
    output_tokens: Annotated[Units | None, Meta(description="Output tokens.")] = None
    tokens: Annotated[Units | None, Meta(description="Input and output tokens together.")] = None
    concurrent: Annotated[Calls | None, Meta(description="Requests under way at once; without a window.")] = (
        None
    )
    usd: Annotated[Dollars | None, Meta(description="Money; 0 lets through what is free.")] = None
    window: Annotated[
        Window | None,
        Meta(
            description='`"1s"` or `"1m"`: a rate. A longer duration up to `"31d"`: never more in any time '
            'of that length. `"day"`, `"week"` (from Monday), `"month"`: never more in one of the calendar.'
        ),
    ] = None
    burst: Annotated[
        Quantity | None,
        Meta(
            description="What may come at once under a rate: a sixth of a minute's worth, or all of a "
            "second's, if absent."
        ),
    ] = None
    time_zone: Annotated[
        TimeZone | None,
        Meta(description="When days, weeks and months begin; `limiting.time_zone` if absent."),
    ] = None
    hard: Annotated[
        bool | None,
        Meta(
            description="Reserves the most a request can cost, and is never exceeded. If absent: for `usd` "
            "true, else false: reserves an estimate."
        ),
    ] = None
    warn_at: Annotated[
        Share | None, Meta(description="Clients, log and webhook are warned from this share on.")
    ] = None
    downgrade: Annotated[
        Downgrade | None, Meta(description="A cheaper model from a share of a quota on.")
    ] = None


Limits: TypeAlias = list[Limit]
KeyAmounts: TypeAlias = dict[str, Quantity]


class Limiting(Table, frozen=True, kw_only=True):
    """What limits and queues may take, and who is told when one is reached."""

    identities: Annotated[
        int,
        Meta(
            ge=1_000,
            le=100_000_000,
            description="Counts kept at once, one per identity and limit; what comes later shares one per "
            "limit.",
        ),
    ] = 1_000_000
    output_tokens: Annotated[
        Units,
        Meta(
            description="Output that is reserved under a hard limit where neither the request nor its "
            "deployment says how much it may be; it is then asked for as the maximum."
        ),
    ] = 4_096
    queue_length: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Requests of a tier that may wait for a provider's capacity; further ones get 503.",
        ),
    ] = 1_000
    queue_wait: Annotated[
        Duration, Meta(description="How long one may wait for it, if the rest of its `budget` is not less.")
    ] = duration("30s")
    time_zone: Annotated[
        TimeZone, Meta(description="When days, weeks and months begin where a limit does not say.")
    ] = field(default_factory=lambda: TimeZone(UTC))
    webhook: Annotated[
        str | None,
        Meta(description="https:// URL, or a plain one on loopback, that is told of warnings and denials."),
    ] = None
    webhook_secret: Annotated[
        Secret | None,
        Meta(description="Signs what is sent there (Standard Webhooks); best written as `${VARIABLE}`."),
    ] = None
