"""The Rust engine, as Python sees it."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypedDict, Unpack, final, type_check_only

__profile__: Literal["dev", "release"]
"""How the extension was built."""
__version__: str

def read_toml(text: str) -> tuple[dict[str, Any], dict[tuple[str | int, ...], int]]:
    """Values of a TOML document, and the line of each by its path.

    Decimals are `decimal.Decimal`, dates and times RFC 3339 text.

    Raises:
        ValueError: `(message, line, column)`; the message never quotes the file.
    """

def check_tables(document: bytes) -> None:
    """Raise ValueError if the engine would refuse this compiled configuration."""

def check_routes(tables: bytes) -> list[tuple[str, str]]:
    """What will be regretted in a compiled configuration: rows that can never match, chains that leave a
    tenant without a route. Places as `models.chat.rows[2]`, and what is wrong there.

    Raises:
        ValueError: The engine would refuse it.
    """

def explain_route(tables: bytes, asking: bytes) -> bytes:
    """Where a request would go under a compiled configuration of which nothing has failed yet, as JSON;
    `Engine.explain` with the same question.

    Raises:
        ValueError: What is wrong with the tables or the question.
    """

def simulate_resilience(scenario_json: bytes) -> bytes:
    """An outage in virtual time, served by the engine's own attempts, breakers and retry budgets.

    Scenario and report are JSON; `bench.simulate_resilience` has the fields.

    Raises:
        ValueError: what is wrong with the scenario.
    """

@final
class Price:
    """What an exchange costs, in picodollars (10⁻¹² USD)."""

    @property
    def total_pusd(self) -> int:
        """Input, output, and a fee per request where there is one."""

    @property
    def input_pusd(self) -> int:
        """Tokens in, of every class."""

    @property
    def output_pusd(self) -> int:
        """Tokens out, of every class."""

def price(
    model: str,
    *,
    input_tokens: int = 0,
    cache_read_tokens: int = 0,
    cache_write_5m_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    cache_write_other_tokens: int = 0,
    input_audio_tokens: int = 0,
    input_image_tokens: int = 0,
    output_tokens: int = 0,
    reasoning_tokens: int = 0,
    output_audio_tokens: int = 0,
    cache_read_audio_tokens: int = 0,
    cache_read_image_tokens: int = 0,
    output_image_tokens: int = 0,
    provider: str | None = None,
    at: int | None = None,
    context: Mapping[str, str] | None = None,
) -> Price | None:
    """What token counts cost by the bundled catalogue, which equals `genai-prices` to the picodollar.

    Args:
        model: A name as a vendor's API takes it.
        input_tokens: Text in that no cache held. Classes are disjoint: cached, written, audio and image
            tokens are not in it, nor reasoning, audio and image tokens in `output_tokens`.
        provider: A vendor; without it the model's name decides where it is one vendor's own.
        at: Unix seconds at which the price must hold; now if absent.
        context: How the vendor billed, as `{"service_tier": "priority"}` or `{"processing": "batch"}`.

    Returns:
        None where the cost is unknown: model or provider are not in the catalogue, or it is billed by
        something other than tokens. Amounts beyond 9.2 million USD saturate.

    Raises:
        OverflowError: A count is negative or beyond 64 bits.
    """

@type_check_only
class DatedRates(TypedDict):
    """Rates, and when they hold."""

    when: dict[str, str]
    """The context they need; empty for standard rates."""
    from_unix_s: int | None
    """From this moment on."""
    daily_s: tuple[int, int] | None
    """Between these seconds of each UTC day."""
    rates: dict[str, list[tuple[int | None, str]]]
    """By meter: the input tokens above which a rate holds, and picodollars per token as decimal text."""
    other: list[str]
    """What is billed besides tokens, by the package's names."""

@type_check_only
class Rates(TypedDict):
    """A model of the catalogue."""

    source: str
    """Package and version."""
    provider: str
    model: str
    prices: list[DatedRates]
    """The last that holds is used; the first if none does."""
    variants: list[DatedRates]
    """What replaces a meter's standard rate in a context: the first that fits."""

def rates(model: str, *, provider: str | None = None, base_url: str | None = None) -> Rates | None:
    """What the bundled catalogue says about a model; None if it is not in it.

    With `base_url` the provider is a configured one: known by that address, else by `provider`, else by the
    model's own vendor. Without, `provider` must be a vendor.
    """

def count_tokens(
    text: str | bytes, *, model: str | None = None, encoding: str | None = None, special: bool = False
) -> int:
    """Exact tokens of a text, as tiktoken counts them. Releases the GIL above 512 bytes.

    The first count of an encoding builds its vocabulary: 10 ms and 2 (cl100k) to 4 MB (o200k), kept.

    Args:
        text: Bytes that are not UTF-8 count as U+FFFD.
        model: An OpenAI model's name; or
        encoding: `"o200k_base"` or `"cl100k_base"`, `_base` optional.
        special: Count `<|endoftext|>` and the like as one token each, not as text.

    Raises:
        TypeError: Not exactly one of `model` and `encoding`.
        ValueError: No such encoding, none known for the model, or `text` has lone surrogates.
    """

def count_chat_tokens(body: str | bytes, *, model: str | None = None, encoding: str | None = None) -> int:
    """Prompt tokens of a chat completions request: its JSON body, messages and tools.

    Text is exact; what the format, tools and pictures add follows OpenAI's published rules of thumb. The
    body's own `model` is not read. Arguments and errors as for `count_tokens`.

    Raises:
        ValueError: The body is not a JSON object with an array of messages.
    """

IGNORED_FIELDS: tuple[str, ...]
"""Top-level request fields that `cache_key` leaves out: they say who asks, how the answer is delivered,
what is kept of it."""

def cache_key(
    request_body: bytes, *, tenant: str, model: str | None = None, ignore: Sequence[str] | None = None
) -> str:
    """When two requests of one tenant are the same question: 64 hexadecimal digits.

    BLAKE3, keyed by the tenant, over what the JSON text means: spacing, the order of an object's members and
    the way strings are escaped make no difference; the order of arrays and the text of numbers do (`1` and
    `1.0`). At most two microseconds per KB; releases the GIL above 8 KB.

    Args:
        request_body: A JSON object, UTF-8, nested at most 128 deep.
        tenant: Whose cache it is; two tenants never share a key.
        model: Stands in for the body's own model, which an alias may point elsewhere tomorrow.
        ignore: Top-level fields to leave out; `IGNORED_FIELDS` unless given.

    Raises:
        ValueError: No JSON object, or a key twice in an object at any depth.
    """

@final
class Limiter:
    """A rate that no window exceeds: admitted <= burst + rate * window, in whole units of what is counted.

    The generic cell rate algorithm (ITU-T I.371) in integers, with reservations: an admission counts as
    reserved until its cost is known, then as what was used, from the moment it was let in. All methods are
    safe to use from several threads and take well under a microsecond; one with thousands of reservations
    held takes longer to reconcile (a step for each younger one). `now_ns` replaces the monotonic clock, for
    tests; a clock that goes back stands still.
    """

    def __new__(cls, rate_per_minute: int, burst: int | None = None, *, hold_s: float = 600.0) -> Limiter:
        """An unused limiter.

        Args:
            rate_per_minute: Units a minute, 1 to 2**53.
            burst: Units that may come at once, 1 to 2**53; a sixth of a minute's worth, at least 1, unless
                given.
            hold_s: Seconds after which a reservation that nobody reconciled counts as spent in full.

        Raises:
            ValueError: Out of range.
        """

    @property
    def rate_per_minute(self) -> int:
        """Units a minute."""

    @property
    def burst(self) -> int:
        """Units that may come at once; a larger cost is never let in."""

    def try_acquire(self, cost: int = 1, *, now_ns: int | None = None) -> bool:
        """Spend `cost` units for good; False, and nothing spent, if they do not fit now."""

    def reserve(self, cost: int = 1, *, now_ns: int | None = None) -> Reservation | Denied:
        """Spend `cost` units until `reconcile` says what was used. `Denied` is falsy, and spends nothing.

        At most 65,536 reservations are held; beyond that the oldest count as spent in full.
        """

    def reconcile(self, reservation: Reservation, actual: int, *, now_ns: int | None = None) -> bool:
        """Give back what was not used, or take what was used beyond the reservation, into debt if need be.

        Returns:
            False, and nothing changes, if the reservation was reconciled before or has expired.

        Raises:
            ValueError: The reservation is another limiter's.
        """

    def refund(self, reservation: Reservation, *, now_ns: int | None = None) -> bool:
        """`reconcile` with nothing used."""

    def available(self, *, now_ns: int | None = None) -> int:
        """Units that would fit now; 0 in debt."""

@final
class Reservation:
    """Units held by a `Limiter`."""

    @property
    def id(self) -> int:
        """Counted from 0 by its limiter."""

    @property
    def cost(self) -> int:
        """Units reserved."""

@final
class Denied:
    """Units that a `Limiter` does not have now; falsy."""

    @property
    def retry_after_ns(self) -> int | None:
        """Nanoseconds until they fit if nothing else comes; None if they exceed the burst and never do."""

    def __bool__(self) -> Literal[False]: ...

@final
class SseReader:
    """Events of a `text/event-stream` that arrives in chunks cut anywhere (WHATWG HTML, section 9.2).

    Lines may end in LF, CR or CRLF; comments and events without data are left out. One reader per stream.
    """

    def __new__(cls, *, event_limit_bytes: int = 16_777_216) -> SseReader:
        """A reader of events up to so many bytes, comments and line ends included."""

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that end in this chunk. Releases the GIL above 16 KB.

        Raises:
            ValueError: An event is longer than the limit; those before it were returned. Nothing more is
                read.
        """

    @property
    def pending_bytes(self) -> int:
        """Bytes of an event that has not ended; more than a line's end after the last chunk: it was cut."""

@final
class SseEvent:
    """One event with data."""

    @property
    def event(self) -> str:
        """Its type; `"message"` where the stream names none."""

    @property
    def data(self) -> bytes:
        """Its data as sent, lines joined by LF."""

    @property
    def id(self) -> str:
        """The last id that the stream gave, with this event or before; empty if none."""

    @property
    def retry_ms(self) -> int | None:
        """Milliseconds to wait before connecting again, where that came with this event."""

@final
class Engine:
    """The data path. Threads start with `serve`."""

    def __new__(cls, tables: bytes, *, state_dir: str | PathLike[str] | None = None) -> Engine:
        """Records of exchanges go to `spool` in `state_dir`; without one none are kept.

        Raises:
            ValueError: The tables do not hold together, or the directory can't be used.
        """

    def reload(self, tables: bytes) -> None:
        """Swap the tables; ValueError leaves the old ones in force."""

    def serve(
        self,
        *,
        listen: str,
        admin: str | None,
        threads: int,
        tls_certificate: str | None = None,
        tls_key: str | None = None,
    ) -> tuple[str, str | None]:
        """Start the native door; the bound addresses. OSError if a port is taken."""

    def stop(self, grace_s: float) -> bool:
        """Finish what is in flight within `grace_s` seconds; True if everything did. Releases the GIL."""

    def health(self) -> bytes:
        """How every provider, credential and deployment does, as JSON; never a secret."""

    def explain(self, asking: bytes) -> bytes:
        """Where a request would go, and why not elsewhere: JSON to JSON.

        Raises:
            ValueError: What is wrong with the question.
        """

    def set_drills(self, drills: bytes) -> None:
        """Replace the failover drills under way: a JSON list of `{id, provider, permille, tenants, features,
        ends_unix_ms}`. ValueError leaves the old ones."""

    def drill_counts(self) -> bytes:
        """What each drill has done so far, as JSON: `{id: {exchanges, failed, forced}}`."""

    def limit_standings(self, query: bytes) -> bytes:
        """How the counts of limits stand, those of which most is used first: a JSON list of `{rule, identity,
        amount, used, reserved, remaining, reset_after_s}`. `query` is JSON: `rule`, names by scope, `limit`.

        Raises:
            ValueError: What is wrong with the query.
        """
    def set_raises(self, raises: bytes) -> None:
        """Replace the limits that are higher for a while.

        `raises` is a JSON list of `{rule, identity, amount, ends_unix_ms}`.

        Raises:
            ValueError: What is wrong with the document; the old ones go on.
        """
    def take_limit_events(self) -> bytes:
        """What happened at limits since the last call: a JSON list of `{rule, kind, identity, share_permille,
        unix_ms}`, `kind` being `warned`, `downgraded` or `denied`."""
    def set_jwks(self, issuer: str, document: bytes) -> int:
        """Replace the keys that an issuer's tokens are checked with; how many of the document can be used.

        ValueError, with what is wrong, on a document without any; the old keys stay.
        """

    def unknown_token_keys(self) -> int:
        """Tokens refused since the start because their issuer's key is not known: look for new keys."""

    def take_admin_request(self, timeout_s: float) -> AdminRequest | None:
        """The next request of the admin listener beyond health and metrics; waits without the GIL.

        None when none comes in time, and at once when the engine has stopped.
        """

    def metrics(self, accept: bytes | None = None) -> tuple[str, str]:
        """Type and text of the metrics page, in the format that a scraper's `Accept` asks for."""

    def statistics(self) -> dict[str, int]:
        """Counters since the start."""

    def spool_status(self) -> SpoolStatus | None:
        """The spool now; None where there is none."""

    def take_notices(self) -> list[tuple[bool, str]]:
        """What there is to log since the last call: whether it is a warning, and the text."""

@final
class AdminRequest:
    """A request of the admin listener. Let go unanswered, it is answered with 500."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> bytes:
        """As it came, percent-encoded."""

    @property
    def query(self) -> bytes: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names in lower case."""

    @property
    def body(self) -> bytes:
        """The whole body, at most 1 MB."""

    @property
    def client(self) -> tuple[str, int]:
        """Address and port; an IPv4 address is never written as IPv6."""

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer. A client that has left misses it.

        Raises:
            ValueError: Status or headers can't be sent.
            RuntimeError: It has been answered.
        """

@type_check_only
class SpoolStatus(TypedDict):
    """The state of a spool. Sizes are a few seconds old."""

    records: int
    """Appended by this process."""
    write_failures: int
    """Records that could not be written."""
    spool_bytes: int
    free_bytes: int
    damaged: int
    """Damaged places in segments that other processes left behind."""
    is_alarmed: bool
    """Little free space, a large spool, or a core whose last record could not be written."""

@final
class SpoolReader:
    """Batches of a spool's records, the oldest segment first, also while it is written to.

    A batch is `(payloads, problems)`; a problem is a place without a record: segment, offset, length, what is
    wrong, whether it is only a torn tail. Reading releases the GIL.
    """

    def __new__(cls, directory: str | PathLike[str], *, since_unix_s: int | None = None) -> SpoolReader:
        """Finds the segments; with `since_unix_s` those whose last record is not older.

        Raises:
            OSError: The directory can't be read.
        """

    def __iter__(self) -> SpoolReader: ...
    def __next__(self) -> tuple[list[bytes], list[tuple[str, int, int, str, bool]]]: ...

@type_check_only
class SpoolReport(TypedDict):
    """What a spool holds."""

    segments: int
    records: int
    payload_bytes: int
    duplicates: int
    """Records whose id an earlier one has."""
    duplicate_ids: list[str]
    """Twenty of those ids at most."""
    without_id: int
    """Records that are no JSON object with a text `id`."""
    problems: list[tuple[str, int, int, str, bool]]

def check_spool(directory: str | PathLike[str]) -> SpoolReport:
    """Reads a whole spool. Releases the GIL.

    Raises:
        OSError: The directory can't be read.
    """

@final
class Bridge:
    """One event loop's way into the engine; its threads never take the GIL."""

    def __new__(cls, engine: Engine, *, threads: int = 1, text_headers: bool = False) -> Bridge:
        """Start the threads.

        Args:
            engine: Whose configuration holds.
            threads: Engine threads.
            text_headers: Answers' headers are `str` (RSGI) instead of `bytes` (ASGI).
        """

    def fileno(self) -> int:
        """Readable while there are events to drain."""

    @property
    def body_limit_bytes(self) -> int:
        """Larger request bodies are refused; a reload may change it."""

    @property
    def form_limit_bytes(self) -> int:
        """The same for multipart forms."""

    def submit(
        self,
        method: str,
        path: bytes | str,
        query: bytes | str,
        headers: list[tuple[bytes, bytes]] | list[tuple[str, str]],
        body: bytes | None,
        client: str | None,
        authority: str | None = None,
    ) -> int:
        """Take an exchange, to begin at the next `flush`; its id.

        Args:
            path: Percent-encoded bytes, or decoded text.
            body: None if it was not read because more was announced than is accepted.
            client: The client's address without port; None counts as not on this machine.
            authority: Stands in for a missing Host (HTTP/2).

        Raises:
            RuntimeError: The bridge is closed.
        """

    def drain(self) -> list[tuple[int, int, Any, bytes, int]]:
        """Events since the last call: exchange, status, headers, body, state.

        Status is 0 and headers None but in an exchange's first event. State: 0 ended, 1 more follows,
        2 broken.
        """

    def flush(self) -> None:
        """Begin what was submitted; wakes an engine thread once for all of it."""

    def acknowledge(self, exchange: int, length: int) -> None:
        """`length` bytes more have been taken; a stream stops 256 KiB ahead."""

    def cancel(self, exchange: int) -> None:
        """The client has left: settles the exchange and closes the call to the provider."""

    def close(self) -> None:
        """Drop what is not over (its last event says broken) and end the threads. Releases the GIL."""

@type_check_only
class MockBehaviour(TypedDict, total=False):
    """What the mock answers; docs/mock.md describes every field. Times are milliseconds."""

    status: int
    headers: Mapping[str, str | int]
    content_type: str
    body: Any
    body_base64: str
    error: Mapping[str, Any]
    rate_limits: Mapping[str, int]
    content: str
    content_bytes: int
    multi_byte: bool
    chunks: int
    tool_calls: Sequence[Mapping[str, str]]
    reasoning: str
    signature: str
    refusal: str
    finish_reason: str
    usage: Mapping[str, int]
    response_model: str
    dimensions: int
    omit: Sequence[Literal["role", "finish_reason", "usage", "done"]]
    latency_ms: float | str
    first_token_ms: float | str
    gap_ms: float | str
    tokens_per_second: float
    ping_ms: int
    events_per_write: int
    split_bytes: int | Sequence[int]
    line_end: Literal["lf", "crlf"]
    comment_every: int
    framing: Literal["length", "chunked", "close"]
    content_length: int
    close: Literal["silent", "announced"]
    garbage: Literal["html", "invalid_json", "empty", "not_http"]
    reset: str
    cut: str
    stall: str
    stall_ms: int
    error_event: str

@type_check_only
class MockRequest(TypedDict):
    """One request as the mock received it."""

    id: int
    connection: int
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    at: float
    """Unix seconds at which the head had been read."""
    outcome: Literal["in_flight", "answered", "client_closed", "reset", "cut"]
    ended_after_ms: float | None
    """From the head to the outcome; None while in flight."""

@final
class MockProvider:
    """A scriptable provider on a port of its own, served by threads that never take the GIL."""

    def __new__(
        cls,
        *,
        listen: str = "127.0.0.1:0",
        threads: int = 1,
        record: bool = True,
        seed: int = 0,
        script: str | None = None,
        **behaviour: Unpack[MockBehaviour],
    ) -> MockProvider:
        """Binds and starts.

        Args:
            listen: address and port; port 0 takes a free one.
            threads: threads with an event loop each.
            record: keep requests for `requests()`: 10,000 of them, 64 MiB of bodies.
            seed: the start of every random draw.
            script: JSON text, see docs/mock.md.
            behaviour: fields below the script's own defaults.

        Raises:
            ValueError: the script or a field cannot be read; the text says which.
            OSError: the address cannot be bound.
        """

    @property
    def address(self) -> str:
        """Where it listens: `"127.0.0.1:40123"`."""

    def requests(self) -> list[MockRequest]:
        """What it received, the oldest first."""

    def counts(self) -> dict[str, int]:
        """By name: requests, in_flight, in_flight_max, client_closed, connections_{accepted,open,max}."""

    def set_script(self, text: str) -> None:
        """Replaces the script. Raises ValueError and keeps the old one if it cannot be read."""

    def append_script(self, text: str) -> None:
        """Puts the steps of a script behind those there are."""

    def reset(self) -> None:
        """Forgets records and sums, and starts the first script again."""

    def wait(self, *, requests: int = 0, in_flight: int = 0, timeout_s: float = 5.0) -> bool:
        """Waits until `requests` came in and at most `in_flight` are being answered; else False."""

    def stop(self) -> None:
        """Closes listener and connections and waits for the threads."""
