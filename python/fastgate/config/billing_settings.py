"""Settings of bills: what deployments cost, what is done without a price, what the operator charges."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, field

from fastgate.config.amounts import Dollars
from fastgate.config.table import Identity, Table
from fastgate.config.units import Rate

Unit: TypeAlias = Literal["request", "session", "user_month", "1k_tokens"]


class Price(Table, frozen=True, kw_only=True):
    """What a deployment or model costs, in place of the whole entry of the price list. A class of tokens
    without a rate is billed as `input` or `output`, a cache write of stated length as `cache_write`."""

    input: Annotated[Rate, Meta(description="Input that nothing below is about.")]
    cache_read: Annotated[Rate | None, Meta(description="Input from the prompt cache.")] = None
    cache_write: Annotated[Rate | None, Meta(description="Input into the prompt cache.")] = None
    cache_write_5m: Annotated[Rate | None, Meta(description="The same, kept for 5 minutes.")] = None
    cache_write_1h: Annotated[Rate | None, Meta(description="The same, kept for an hour.")] = None
    input_audio: Annotated[Rate | None, Meta(description="Audio in.")] = None
    cache_read_audio: Annotated[Rate | None, Meta(description="Audio from the prompt cache.")] = None
    input_image: Annotated[Rate | None, Meta(description="Images in.")] = None
    cache_read_image: Annotated[Rate | None, Meta(description="Images from the prompt cache.")] = None
    output: Annotated[Rate, Meta(description="Output that nothing below is about; 0 for embeddings.")]
    reasoning: Annotated[Rate | None, Meta(description="Reasoning.")] = None
    output_audio: Annotated[Rate | None, Meta(description="Audio out.")] = None
    output_image: Annotated[Rate | None, Meta(description="Images out.")] = None

    def rates(self) -> dict[str, int]:
        """Picodollars per token, by class; only those that are stated."""
        return {name: int(rate) for name, rate in msgspec.structs.asdict(self).items() if rate is not None}


class Revenue(Table, frozen=True, kw_only=True):
    """What the operator charges: one amount, for use of a feature, tenant or model, or of several of them
    together. The price that names most of them holds."""

    feature: Annotated[Identity | None, Meta(description="Product surface; any if absent.")] = None
    tenant: Annotated[str | None, Meta(description="Id in `[tenants]`, or `default`; any if absent.")] = None
    model: Annotated[Identity | None, Meta(description="Name that clients send; any if absent.")] = None
    usd_per_request: Annotated[Dollars | None, Meta(description="For each request.")] = None
    usd_per_session: Annotated[Dollars | None, Meta(description="For each session.")] = None
    usd_per_user_month: Annotated[
        Dollars | None, Meta(description="For each user in a calendar month in which they ask for anything.")
    ] = None
    usd_per_1k_tokens: Annotated[
        Dollars | None, Meta(description="For a thousand tokens, input and output together.")
    ] = None

    @property
    def prices(self) -> dict[Unit, Dollars]:
        """The amounts that are stated, by unit: exactly one in a checked configuration."""
        stated: dict[Unit, Dollars | None] = {
            "request": self.usd_per_request,
            "session": self.usd_per_session,
            "user_month": self.usd_per_user_month,
            "1k_tokens": self.usd_per_1k_tokens,
        }
        return {unit: amount for unit, amount in stated.items() if amount is not None}

    @property
    def unit(self) -> Unit:
        """What is sold."""
        return next(iter(self.prices))

    @property
    def amount_pusd(self) -> int:
        """Picodollars for one unit."""
        return int(self.prices[self.unit])


class Billing(Table, frozen=True, kw_only=True):
    """How exchanges are billed."""

    unknown_price: Annotated[
        Literal["allow", "block"],
        Meta(
            description="A request to a deployment without a known price passes with an unknown cost, or is "
            "refused with 403."
        ),
    ] = "allow"
    revenue: Annotated[
        list[Revenue], Meta(description="What you charge, for revenue and margin in `fastgate costs`.")
    ] = field(default_factory=list)
