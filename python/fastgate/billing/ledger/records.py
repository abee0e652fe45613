"""From a spool's records to events: what each record is, and the rows of the attempts that it tells of.

A record that is not understood is never half loaded: it is skipped, and counted by the reason.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Annotated, TypeAlias

import msgspec

from fastgate.billing.ledger.schema import TOKEN_CLASSES

RECORD_VERSION = 1
# What a row's `outcome` says of an attempt before the final one; its `reason` says why.
ATTEMPT_FAILED = "attempt_failed"
CORRECTED = "correction"
# An attempt that a drill played the failure of was no call.
_FORCED = "drill"
# More is nobody's answer; sums of so many stay far below 64 bits.
TOKENS_MAX = 1 << 32
_US_PER_DAY = 86_400_000_000

Row: TypeAlias = tuple[int | str | bytes | None, ...]
"""An event in the order of `schema.EVENT_COLUMNS`."""

_Pusd: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Calls: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
_Tokens: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
# From 1970 to 2199: what lies outside is no clock's time.
_Moment: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=7_258_118_400_000_000)]
_NO_TAGS = msgspec.Raw(b"")


class Usage(msgspec.Struct, gc=False):
    """Tokens by class."""

    input_tokens: _Tokens = 0
    cache_read_tokens: _Tokens = 0
    cache_write_5m_tokens: _Tokens = 0
    cache_write_1h_tokens: _Tokens = 0
    cache_write_other_tokens: _Tokens = 0
    input_audio_tokens: _Tokens = 0
    input_image_tokens: _Tokens = 0
    cache_read_audio_tokens: _Tokens = 0
    cache_read_image_tokens: _Tokens = 0
    output_tokens: _Tokens = 0
    reasoning_tokens: _Tokens = 0
    output_audio_tokens: _Tokens = 0
    output_image_tokens: _Tokens = 0


class Tried(msgspec.Struct, gc=False):
    """An attempt that came to nothing."""

    deployment: str | None = None
    provider: str | None = None
    provider_model: str | None = None
    reason: str | None = None
    status: _Count | None = None
    us: _Count | None = None
    usage: Usage | None = None
    usage_estimated: bool = False
    cost_pusd: _Pusd | None = None
    list_cost_pusd: _Pusd | None = None
    reported_cost_pusd: _Pusd | None = None


class Exchange(msgspec.Struct, gc=False):
    """A record of docs/records.md, as far as it matters here."""

    v: int
    id: str
    started_unix_us: _Moment
    type: str | None = None
    trace_id: str | None = None
    operation: str | None = None
    tenant: str | None = None
    user: str | None = None
    feature: str | None = None
    session: str | None = None
    key: str | None = None
    # As it came: nothing here looks into it.
    tags: msgspec.Raw = _NO_TAGS
    model: str | None = None
    deployment: str | None = None
    provider: str | None = None
    provider_model: str | None = None
    attempts: _Calls = 0
    trail: tuple[Tried, ...] = ()
    drill: str | None = None
    stream: bool = False
    status: _Count | None = None
    outcome: str | None = None
    fault: str | None = None
    usage: Usage | None = None
    usage_estimated: bool = False
    cost_pusd: _Pusd | None = None
    list_cost_pusd: _Pusd | None = None
    reported_cost_pusd: _Pusd | None = None
    saved_pusd: _Pusd | None = None
    truncated: bool = False
    prompt_hash: str | None = None
    request_bytes: _Count | None = None
    first_content_us: _Count | None = None
    total_us: _Count | None = None

    @property
    def prompt(self) -> int | None:
        """`prompt_hash` as SQLite's integer; None for what is no such hash."""
        return _signed(self.prompt_hash)


class Reservation(msgspec.Struct):
    """Money held for an exchange until its own record comes."""

    id: str
    started_unix_us: _Moment
    tenant: str | None = None
    cost_pusd: _Pusd = 0


class Correction(msgspec.Struct):
    """What is added to the cost of an event, with the names of that event."""

    id: str
    started_unix_us: _Moment
    corrects: str
    cost_pusd: _Pusd
    reason: str | None = None
    tenant: str | None = None
    user: str | None = None
    feature: str | None = None
    session: str | None = None
    key: str | None = None
    model: str | None = None
    deployment: str | None = None
    provider: str | None = None
    provider_model: str | None = None
    operation: str | None = None


class _Head(msgspec.Struct):
    v: int = 0
    type: str = "exchange"


Record: TypeAlias = Exchange | Reservation | Correction

_exchanges = msgspec.json.Decoder(Exchange)
_others: dict[str, msgspec.json.Decoder[Reservation] | msgspec.json.Decoder[Correction]] = {
    "reservation": msgspec.json.Decoder(Reservation),
    "correction": msgspec.json.Decoder(Correction),
}
_heads = msgspec.json.Decoder(_Head)


class Skipped(Exception):
    """A record that can't be loaded; its text is a reason to count it by."""


def decode(payload: bytes) -> Record:
    """Read one record.

    Raises:
        Skipped: It is of a newer version or an unknown type, or malformed.
    """
    try:
        record = _exchanges.decode(payload)
    except (msgspec.MsgspecError, UnicodeError):
        return _decode_other(payload)
    if record.v != RECORD_VERSION or record.type is not None:
        return _decode_other(payload)
    return record


def _decode_other(payload: bytes) -> Record:
    try:
        head = _heads.decode(payload)
        if head.v > RECORD_VERSION:
            raise Skipped(f"version {min(head.v, 1000)}")
        if head.v < RECORD_VERSION:
            raise Skipped("malformed")
        if head.type == "exchange":
            return _exchanges.decode(payload)
        if head.type in _others:
            return _others[head.type].decode(payload)
    except (msgspec.MsgspecError, UnicodeError):
        raise Skipped("malformed") from None
    raise Skipped("unknown type")


def prompt_of(exchange: Exchange, tenant: int) -> tuple[int, int] | None:
    """The day and a 64-bit number that stand for the exchange's body within its tenant; None if unknown."""
    number = exchange.prompt
    if number is None:
        return None
    mixed = (number ^ tenant * 0x9E37_79B9_7F4A_7C15) & 0xFFFF_FFFF_FFFF_FFFF
    return exchange.started_unix_us // _US_PER_DAY, mixed - (mixed >> 63 << 64)


_ZEROS = (0,) * len(TOKEN_CLASSES)
_classes = attrgetter(*TOKEN_CLASSES)


def tokens(usage: Usage | None) -> tuple[int, ...]:
    """Counts by class, each at most `TOKENS_MAX`."""
    if usage is None:
        return _ZEROS
    counts: tuple[int, ...] = _classes(usage)
    return counts if max(counts) <= TOKENS_MAX else tuple(min(count, TOKENS_MAX) for count in counts)


def rows(exchange: Exchange, ids: Mapping[str | None, int], segment: int, *, is_repeat: bool) -> list[Row]:
    """The events of an exchange: its failed attempts in order, then the final one.

    A failed attempt that says nothing of usage or cost was not billed.
    """
    # Per event, so written out: an unpacking costs half a microsecond.
    started = exchange.started_unix_us
    tenant, user, feature = ids[exchange.tenant], ids[exchange.user], ids[exchange.feature]
    session, key, model = ids[exchange.session], ids[exchange.key], ids[exchange.model]
    operation = ids[exchange.operation]
    is_drill = exchange.drill is not None
    trace, prompt = _trace(exchange.trace_id), exchange.prompt
    events, calls = list[Row](), 0
    for attempt, tried in enumerate(exchange.trail):
        was_called = tried.reason != _FORCED
        calls += was_called
        cost = tried.cost_pusd
        if cost is None and tried.usage is None:
            cost = 0
        events.append(
            (
                *(exchange.id, attempt, 0, 0, was_called, segment, started),
                *(tenant, user, feature, session, key, model),
                *(ids[tried.deployment], ids[tried.provider], ids[tried.provider_model]),
                *(operation, ids[ATTEMPT_FAILED], 0, ids[tried.reason]),
                *tokens(tried.usage),
                *(cost, tried.list_cost_pusd, tried.reported_cost_pusd, 0),
                *(0, tried.usage_estimated, is_drill, exchange.stream, 0, is_repeat),
                *(tried.status, trace, prompt, None, None, None, tried.us, None),
            )
        )
    tags = bytes(exchange.tags).decode() if exchange.tags else None
    events.append(
        (
            exchange.id,
            len(events),
            1,
            0,
            max(0, exchange.attempts - calls),
            segment,
            started,
            tenant,
            user,
            feature,
            session,
            key,
            model,
            ids[exchange.deployment],
            ids[exchange.provider],
            ids[exchange.provider_model],
            operation,
            ids[exchange.outcome],
            ids[exchange.fault],
            0,
            *tokens(exchange.usage),
            exchange.cost_pusd,
            exchange.list_cost_pusd,
            exchange.reported_cost_pusd,
            exchange.saved_pusd or 0,
            exchange.outcome == "answered",
            exchange.usage_estimated,
            is_drill,
            exchange.stream,
            exchange.truncated,
            is_repeat,
            exchange.status,
            trace,
            prompt,
            tags if tags != "null" else None,
            exchange.request_bytes,
            exchange.first_content_us,
            exchange.total_us,
            None,
        )
    )
    return events


def correction_row(correction: Correction, ids: Mapping[str | None, int], segment: int) -> Row:
    """The event of a correction. Its time is when it was made: a closed month stays as it is."""
    return (
        *(correction.id, 0, 0, 1, 0, segment, correction.started_unix_us),
        *(ids[getattr(correction, name)] for name in _CORRECTED),
        *(ids[CORRECTED], 0, ids[correction.reason]),
        *_ZEROS,
        *(correction.cost_pusd, None, None, 0, 0, 0, 0, 0, 0, 0),
        *(None, None, None, None, None, None, None, correction.corrects),
    )


_CORRECTED = (
    *("tenant", "user", "feature", "session", "key", "model"),
    *("deployment", "provider", "provider_model", "operation"),
)


def _trace(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text is not None and len(text) == 32 else None
    except ValueError:
        return None


def _signed(text: str | None) -> int | None:
    if text is None or len(text) != 16:
        return None
    try:
        number = int(text, 16)
    except ValueError:
        return None
    # A sign has no place among sixteen digits, but Python would take it.
    return number - (number >> 63 << 64) if number >= 0 else None
