"""Settings of the model catalogue: what deployments take from it, and what it gets wrong."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, field

from fastgate.catalogue.models import Ability, Facts
from fastgate.config.table import Table, TokenCount

Filled: TypeAlias = Literal["capabilities", "output_tokens", "context_tokens", "deviations"]


class ModelFacts(Table, frozen=True, kw_only=True):
    """What is true of a model, in place of what the catalogue says. What is left out stays as it is there."""

    context_tokens: Annotated[
        TokenCount | None, Meta(description="Context window, input and output together.")
    ] = None
    input_tokens: Annotated[
        TokenCount | None, Meta(description="The most input, where that has a limit of its own.")
    ] = None
    output_tokens: Annotated[TokenCount | None, Meta(description="The largest `max_tokens` it takes.")] = None
    can: Annotated[list[Ability], Meta(description="What it can do.")] = field(default_factory=list)
    cannot: Annotated[list[Ability], Meta(description="What it can't do.")] = field(default_factory=list)
    efforts: Annotated[
        list[str] | None, Meta(description="Levels of reasoning effort that it takes; empty: none.")
    ] = None
    renames: Annotated[
        dict[str, str] | None,
        Meta(description="Fields of OpenAI's chat request that it wants by another name."),
    ] = None
    refuses: Annotated[
        list[str] | None, Meta(description="Fields that it answers with 400, other than with their default.")
    ] = None
    refuses_reasoning: Annotated[
        list[str] | None, Meta(description="The same, but only while it reasons.")
    ] = None
    one_of: Annotated[list[str] | None, Meta(description="Fields of which a request may have one.")] = None

    def facts(self) -> Facts:
        """The same as the catalogue has it."""
        values = msgspec.structs.asdict(self)
        abilities = {**dict.fromkeys(values.pop("can"), True), **dict.fromkeys(values.pop("cannot"), False)}
        return msgspec.convert({**values, "abilities": abilities}, Facts)


class Catalogue(Table, frozen=True, kw_only=True):
    """What is known of models, for deployments that don't say it of themselves; `docs/models.md`."""

    fill: Annotated[
        list[Filled] | None,
        Meta(
            description="What such deployments take from the catalogue, at vendors known by their address; "
            "`[]`: nothing. If absent: `capabilities`, `deviations`, and `output_tokens` where no limit on "
            "tokens or money is hard."
        ),
    ] = None
    models: Annotated[
        dict[str, ModelFacts],
        Meta(
            description="What it gets wrong, by the name providers know a model by, or `provider/model`; a "
            "`*` at the end stands for any rest. Exact names count before longer and shorter beginnings."
        ),
    ] = field(default_factory=dict)
