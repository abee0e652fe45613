"""Settings of routing: groups, models, and the conditions of rows."""

from typing import Annotated, Literal

from msgspec import Meta, field

from fastgate.config.limit_settings import Limits
from fastgate.config.table import (
    ALONE,
    AnyCapability,
    AnyId,
    AnyIdentity,
    AnyLatency,
    AnyText,
    Id,
    Names,
    Table,
    Weight,
)
from fastgate.config.units import Duration, Hours, Share

Members = Annotated[dict[str, Weight], Meta(min_length=1)]
InputTokens = Annotated[int, Meta(ge=0, le=1_000_000_000)]
AnyHours = Annotated[list[Hours], Meta(min_length=1), ALONE]


class Where(Table, frozen=True, kw_only=True):
    """Which deployments belong to a group: those that meet all conditions, each by any of its values."""

    provider: Annotated[AnyText | None, Meta(description="Id in `[providers]`.")] = None
    model: Annotated[AnyText | None, Meta(description="Name the provider knows the model by.")] = None
    region: Annotated[AnyId | None, Meta(description="Where it runs.")] = None
    cost_class: Annotated[AnyId | None, Meta(description="Its cost class.")] = None
    latency: Annotated[AnyLatency | None, Meta(description="Its class of latency.")] = None
    capability: Annotated[
        AnyCapability | None,
        Meta(description="What it can do; a deployment without `capabilities` does not meet it."),
    ] = None


class Group(Table, frozen=True, kw_only=True):
    """Deployments that can stand in for each other: named as `members`, or found by `where`."""

    members: Annotated[Members | None, Meta(description="Deployment ids with their share of requests.")] = (
        None
    )
    where: Annotated[
        Where | None,
        Meta(description="Conditions; every deployment that meets them is a member, with the same share."),
    ] = None
    pick: Annotated[
        Literal["weighted", "fastest", "cheapest", "least_busy", "sticky"],
        Meta(
            description="Which member is tried first: by share, the quickest to answer, the cheapest for "
            "this request, the one with the fewest requests under way, or by share and then the same again."
        ),
    ] = "weighted"
    by: Annotated[
        Literal["session", "user"],
        Meta(description='What `"sticky"` goes by: the session, or else the user; or the user only.'),
    ] = "session"


class When(Table, frozen=True, kw_only=True):
    """Conditions of a row: all must hold, each by any of its values."""

    tenant: Annotated[AnyText | None, Meta(description="Id in `[tenants]`, or `default`.")] = None
    tier: Annotated[AnyText | None, Meta(description="Id in `[tiers]`: the tenant's.")] = None
    user: Annotated[AnyIdentity | None, Meta(description="Who asked.")] = None
    feature: Annotated[AnyIdentity | None, Meta(description="Product surface.")] = None
    region: Annotated[
        AnyId | None, Meta(description="Region that the request is bound to, by its tenant or its header.")
    ] = None
    latency: Annotated[AnyLatency | None, Meta(description="Class of latency that the request asks for.")] = (
        None
    )
    cost_class: Annotated[AnyId | None, Meta(description="Class of cost that the request asks for.")] = None
    capability: Annotated[AnyCapability | None, Meta(description="What the request needs.")] = None
    model: Annotated[
        AnyText | None, Meta(description="Name that the client sent: this model's, or one of its `aliases`.")
    ] = None
    context_over: Annotated[
        InputTokens | None,
        Meta(description="The request is estimated to have more input tokens than this."),
    ] = None
    hour: Annotated[
        AnyHours | None,
        Meta(description='Hours of the day in UTC, as `"9-17"`, the end not included, or `"22-6"`.'),
    ] = None
    load: Annotated[
        Share | None,
        Meta(description='At least this share of `bounds.in_flight` is under way, as `"80%"` or `0.8`.'),
    ] = None


class Row(Table, frozen=True, kw_only=True):
    """A line of a model's policy table."""

    when: Annotated[When | None, Meta(description="Which requests it is for; all if absent.")] = None
    use: Annotated[
        Names, Meta(description="Deployments and groups in order: the next is tried where one fails.")
    ]


Rows = Annotated[list[Row], Meta(min_length=1)]


class Model(Table, frozen=True, kw_only=True):
    """A name clients ask for, and where it leads."""

    budget: Annotated[
        Duration | None,
        Meta(description="Wall clock from receipt to the first byte of the answer; none if absent."),
    ] = None
    aliases: Annotated[
        list[Id], Meta(description="Further names that clients may send, which lead to the same.")
    ] = field(default_factory=list)
    use: Annotated[
        Names | None,
        Meta(description="Short form of a single row for all requests: deployments and groups in order."),
    ] = None
    rows: Annotated[Rows | None, Meta(description="Policy table: the first row that matches is used.")] = None
    limits: Annotated[Limits, Meta(description="What may be used of it, under any of its names.")] = field(
        default_factory=list
    )
