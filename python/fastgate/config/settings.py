"""Every setting: its type, unit, default and meaning.

The JSON Schema (`fastgate check --schema`) and `docs/settings.md` are made from these structs and those of
the modules named `*_settings`; `table` says what they are made of.
"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from fastgate.catalogue.vendors import Dialect
from fastgate.config.amounts import Discount
from fastgate.config.billing_settings import Billing, Price
from fastgate.config.catalogue_settings import Catalogue
from fastgate.config.limit_settings import Capacity, KeyAmounts, Limiting, Limits
from fastgate.config.resilience_settings import Drill, Resilience
from fastgate.config.routing_settings import Group, Model
from fastgate.config.table import (
    Capability,
    Digest,
    Id,
    Label,
    Latency,
    Names,
    Retries,
    Table,
    TokenCount,
    Weight,
    duration,
    size,
)
from fastgate.config.units import Duration, Moment, Secret, Size

Threads = Annotated[int, Meta(ge=1, le=1024)]
Claim = Annotated[str, Meta(min_length=1, max_length=256)]

# The tenant that exists without being configured.
DEFAULT_TENANT = "default"
# A deployment's `tokenizer` by these names is shipped; any other is a file.
ENCODINGS = {
    "o200k": "o200k_base",
    "o200k_base": "o200k_base",
    "cl100k": "cl100k_base",
    "cl100k_base": "cl100k_base",
}


class Tls(Table, frozen=True, kw_only=True):
    """Certificate that the gateway shows to clients."""

    certificate: Annotated[str, Meta(description="PEM file with the certificate chain.")]
    key: Annotated[str, Meta(description="PEM file with the private key.")]


class Bounds(Table, frozen=True, kw_only=True):
    """Upper bounds of what one request, one connection and all of them may occupy."""

    request_body: Annotated[
        Size, Meta(description="Largest request body; a larger one is answered with 413.")
    ] = size("10MB")
    multipart_body: Annotated[
        Size, Meta(description="Largest multipart form (files, sound, images); it streams through.")
    ] = size("32MB")
    request_headers: Annotated[
        Size, Meta(description="What a request's header lines may add up to; beyond it 431.")
    ] = size("32KB")
    request_header_fields: Annotated[
        int, Meta(ge=1, le=100, description="Header lines a request may have; beyond it 431.")
    ] = 100
    request_target: Annotated[Size, Meta(description="Longest path with its query; beyond it 414.")] = size(
        "8KB"
    )
    json_depth: Annotated[
        int, Meta(ge=1, le=1000, description="Deepest nesting of a request's JSON; beyond it 400.")
    ] = 128
    connections: Annotated[
        int,
        Meta(ge=1, description="Client connections open at once; further ones get 503. Native door."),
    ] = 10_000
    in_flight: Annotated[int, Meta(ge=1, description="Requests under way at once; further ones get 503.")] = (
        10_000
    )
    head_timeout: Annotated[
        Duration, Meta(description="To send a request's headers; then 408 and the end. Native door.")
    ] = duration("10s")
    body_gap: Annotated[
        Duration, Meta(description="Between two pieces of a request's body; then 408. Native door.")
    ] = duration("10s")
    body_timeout: Annotated[
        Duration, Meta(description="For a request's whole body; then 408. Native door.")
    ] = duration("5m")
    write_gap: Annotated[
        Duration,
        Meta(description="Without taking a byte of an answer that is ready; then the end. Native door."),
    ] = duration("30s")
    keep_alive: Annotated[
        Duration,
        Meta(description="Without a request on an open connection; then it is closed. Native door."),
    ] = duration("75s")
    exchange_timeout: Annotated[
        Duration,
        Meta(description="From a request's headers to its answer's last byte; then the end. Native door."),
    ] = duration("1h")
    answer_body: Annotated[
        Size, Meta(description="Largest answer of a provider, streams included; a larger one breaks off.")
    ] = size("256MB")
    stream_event: Annotated[
        Size,
        Meta(description="Largest event of a provider's stream; a larger one ends the stream as an error."),
    ] = size("4MB")
    stream_ping: Annotated[
        Duration,
        Meta(description="Without output on a translated stream; then it sends a sign of life."),
    ] = duration("15s")
    idle_connections: Annotated[
        int, Meta(ge=0, le=65_536, description="Idle connections kept per core and provider address.")
    ] = 64
    idle_timeout: Annotated[
        Duration, Meta(description="How long an idle connection to a provider is kept.")
    ] = duration("60s")


class Server(Table, frozen=True, kw_only=True):
    """The gateway's own addresses, directories and bounds."""

    listen: Annotated[
        str,
        Meta(description="Address clients connect to, `host:port`. Beyond loopback it needs keys. Restart."),
    ] = "127.0.0.1:8080"
    admin: Annotated[
        str,
        Meta(
            description="Address of health, metrics and the admin API (`docs/admin.md`), or `off`. Beyond "
            "loopback it needs `[[admin.tokens]]`. Restart."
        ),
    ] = "127.0.0.1:8081"
    state_dir: Annotated[
        str, Meta(description="Directory for the lock and all data; one gateway per directory. Restart.")
    ] = "state"
    threads: Annotated[
        Threads | None,
        Meta(description="I/O threads; the number of usable cores if absent. Restart."),
    ] = None
    shutdown_grace: Annotated[
        Duration, Meta(description="How long requests in flight may go on after SIGTERM.")
    ] = duration("30s")
    tls: Annotated[Tls | None, Meta(description="Serve HTTPS instead of HTTP. Restart.")] = None
    allowed_hosts: Annotated[
        list[str] | None,
        Meta(
            description="Hosts that requests may name, without port. If absent: any where keys exist; "
            "loopback names and the listen address where none do."
        ),
    ] = None
    allowed_origins: Annotated[
        list[str],
        Meta(
            description="Origins whose pages may call (CORS), as `https://app.example.com`, or `*` "
            "for all, which needs keys. Without any, no CORS header is sent."
        ),
    ] = field(default_factory=list)
    files_provider: Annotated[
        str | None,
        Meta(
            description="Id in `[providers]`: who keeps files and batches. If absent: the provider, "
            "where there is only one."
        ),
    ] = None
    bounds: Annotated[
        Bounds, Meta(description="Upper bounds of what requests and connections may occupy.")
    ] = field(default_factory=Bounds)


class Spool(Table, frozen=True, kw_only=True):
    """How records of exchanges are kept on disk; see `docs/spool.md`. Nothing is deleted."""

    segment_size: Annotated[Size, Meta(description="A segment of this size is closed and compressed.")] = (
        size("64MB")
    )
    segment_age: Annotated[Duration, Meta(description="A segment of this age is closed and compressed.")] = (
        duration("1h")
    )
    compress: Annotated[bool, Meta(description="Compress closed segments with zstd.")] = True
    free_space_floor: Annotated[
        Size, Meta(description="With less free space than this on the disk there is an alarm.")
    ] = size("1GB")
    total_size: Annotated[
        Size, Meta(description="With more than this in all segments together there is an alarm.")
    ] = size("50GB")


class Credential(Table, frozen=True, kw_only=True):
    """One of a provider's API keys."""

    shorthand: ClassVar[str | None] = "key"
    key: Annotated[Secret, Meta(description="The API key; best written as `${VARIABLE}`.")]
    weight: Annotated[Weight, Meta(description="Share of requests relative to the other keys.")] = 1
    limits: Annotated[Capacity, Meta(description="What the provider lets this key do.")] = field(
        default_factory=Capacity
    )


class Provider(Table, frozen=True, kw_only=True):
    """An account at a vendor. A known vendor's name as the id fills in what is left out."""

    dialect: Annotated[
        Dialect,
        Meta(
            description="Wire format. Known vendors have theirs; one of a dialect not listed here is refused."
        ),
    ] = "openai"
    base_url: Annotated[
        str,
        Meta(
            description="What the vendor's own SDK takes, as `https://api.openai.com/v1`. "
            "Known vendors have theirs."
        ),
    ]
    api_key: Annotated[
        list[Credential],
        Meta(description="One API key, or several as a list of `{ key, weight, limits }`."),
    ] = field(default_factory=list)
    headers: Annotated[dict[str, Secret], Meta(description="Further headers sent to the provider.")] = field(
        default_factory=dict
    )
    stream_usage: Annotated[
        bool,
        Meta(
            description="It takes `stream_options.include_usage`, which is asked for even where the client "
            "does not. Known vendors have theirs."
        ),
    ] = True
    responses: Annotated[
        bool | None,
        Meta(
            description="Of OpenAI's dialect: it has `/responses`. Where it has not, clients of Responses "
            "are answered through chat completions. Known vendors have theirs; others have it if absent."
        ),
    ] = None
    proxy: Annotated[
        str | None,
        Meta(description="`http://host:port` of a CONNECT proxy, in place of `HTTPS_PROXY`."),
    ] = None
    ca_file: Annotated[
        str | None, Meta(description="PEM bundle trusted for this provider in place of the system's.")
    ] = None
    vendor: Annotated[
        str | None,
        Meta(
            description="Whose models it serves, unchanged, where its address doesn't tell: the catalogue of "
            "models then counts for it (`docs/models.md`)."
        ),
    ] = None
    discount: Annotated[
        Discount | None,
        Meta(description='Part off the list price that the account gets, as `"10%"`; none if absent.'),
    ] = None


class Timeouts(Table, frozen=True, kw_only=True):
    """How long an attempt may take. Written as one duration it is `first_content`."""

    shorthand: ClassVar[str | None] = "first_content"
    connect: Annotated[Duration, Meta(description="TCP and TLS set-up.")] = duration("5s")
    first_content: Annotated[
        Duration, Meta(description="To a stream's first content, or to the whole of a JSON answer.")
    ] = duration("2m")
    gap: Annotated[Duration, Meta(description="Between two chunks of a stream.")] = duration("1m")
    total: Annotated[
        Duration | None,
        Meta(description="To the answer's end. If absent: `10m`, or `first_content` where that is longer."),
    ] = None


class Deployment(Table, frozen=True, kw_only=True):
    """One model at one provider in one region."""

    provider: Annotated[str, Meta(description="Id in `[providers]`.")]
    model: Annotated[
        str, Meta(min_length=1, max_length=256, description="Name the provider knows the model by.")
    ]
    region: Annotated[Id | None, Meta(description="Where it runs; tenants with a region need it.")] = None
    cost_class: Annotated[Id | None, Meta(description="Free label, as `premium`, for policies.")] = None
    latency: Annotated[
        Latency,
        Meta(
            description="The fastest class of requests it is good for (`interactive`: below 2 s, "
            "`background`: below 30 s, `batch`: as it comes); faster ones never go there."
        ),
    ] = "interactive"
    capabilities: Annotated[
        list[Capability] | None,
        Meta(
            description="What it can do beside text; a request that needs anything else never goes there. "
            "If absent: what the catalogue of models doesn't deny."
        ),
    ] = None
    context_tokens: Annotated[
        TokenCount | None,
        Meta(
            description="Its context window, input and output together; unknown if absent, unless "
            "`catalogue.fill` says otherwise."
        ),
    ] = None
    output_tokens: Annotated[
        TokenCount | None,
        Meta(description="The largest `max_tokens` it takes; if absent what the catalogue of models knows."),
    ] = None
    retries: Annotated[
        Retries | None,
        Meta(
            description="How often a failed call is repeated on it before the next in the chain is tried; "
            "`resilience.retries` if absent."
        ),
    ] = None
    timeout: Annotated[
        Timeouts, Meta(description="One duration, or a table of `connect`, `first_content`, `gap`, `total`.")
    ] = field(default_factory=Timeouts)
    tokenizer: Annotated[
        str | None,
        Meta(
            description='What counts its tokens exactly: `"o200k"`, `"cl100k"`, or the path of a '
            "`tokenizer.json`. If absent they are estimated, and no vocabulary is held in memory."
        ),
    ] = None
    limits: Annotated[Capacity, Meta(description="What the provider lets it do.")] = field(
        default_factory=Capacity
    )


class Tier(Table, frozen=True, kw_only=True):
    """A class of tenants."""

    weight: Annotated[Weight, Meta(description="Share of waiting capacity relative to other tiers.")] = 1
    limits: Annotated[
        Limits, Meta(description="What each of its tenants may use, unless it says otherwise itself.")
    ] = field(default_factory=list)


class Tenant(Table, frozen=True, kw_only=True):
    """Who pays."""

    tier: Annotated[str | None, Meta(description="Id in `[tiers]`.")] = None
    region: Annotated[
        Id | None, Meta(description="Residency: a deployment elsewhere, or without a region, is never used.")
    ] = None
    limits: Annotated[
        Limits,
        Meta(
            description="What it may use. A limit takes the place of its tier's with the same `per`, "
            "resource, `window` and `when`."
        ),
    ] = field(default_factory=list)


class Key(Table, frozen=True, kw_only=True):
    """A virtual key; `fastgate keys create` prints one and this table. What it fixes wins over the
    request."""

    digest: Annotated[Digest, Meta(description="`sha256:` and the hex SHA-256 of the whole key string.")]
    tenant: Annotated[str, Meta(description="Id in `[tenants]`.")] = "default"
    name: Annotated[Label | None, Meta(description="For people: what the key is for.")] = None
    user: Annotated[Id | None, Meta(description="User it belongs to.")] = None
    feature: Annotated[Id | None, Meta(description="Product surface it belongs to.")] = None
    models: Annotated[Names | None, Meta(description="Model names it may ask for; all if absent.")] = None
    deployments: Annotated[
        Names | None,
        Meta(
            description="Ids in `[deployments]` that may serve it, or of providers without any; "
            "all if absent."
        ),
    ] = None
    expires: Annotated[Moment | None, Meta(description="Refused from this moment on.")] = None
    limits: Annotated[Limits, Meta(description="What may be used with it.")] = field(default_factory=list)
    limit_amounts: Annotated[
        KeyAmounts,
        Meta(description="Other amounts for this key, by the name of a limit; USD where it is one."),
    ] = field(default_factory=dict)


class Telemetry(Table, frozen=True, kw_only=True):
    """What metrics may take; `docs/telemetry.md` lists them."""

    label_values: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Tenants, models and deployments that get series of their own, of each; ten times as "
            "many combinations. What comes later is counted as `other`. Restart.",
        ),
    ] = 100


class AccessLog(Table, frozen=True, kw_only=True):
    """A line of JSON per exchange. Without a path there is none."""

    path: Annotated[
        str | None,
        Meta(
            description="File to append to, or `stdout`. A file that is renamed away is opened anew, also on "
            "SIGHUP."
        ),
    ] = None
    buffer: Annotated[
        Size,
        Meta(
            description="Lines of one core that may wait to be written; further ones are dropped and counted."
        ),
    ] = size("4MB")


class JwtClaims(Table, frozen=True, kw_only=True):
    """Names of the claims that say whom a token stands for. A claim named here has to be in the token."""

    tenant: Annotated[
        Claim | None,
        Meta(description="Who pays; values as in `tenants`. Needed unless `default_tenant` is set."),
    ] = None
    user: Annotated[Claim, Meta(description="Who asked.")] = "sub"
    feature: Annotated[Claim | None, Meta(description="Product surface; wins over the header.")] = None
    models: Annotated[
        Claim | None,
        Meta(
            description="Model names the client may ask for, a list or one text with blanks; all if absent."
        ),
    ] = None


class Jwt(Table, frozen=True, kw_only=True):
    """An issuer of JSON Web Tokens that clients may present in place of a key. One table, or several as
    `[[auth.jwt]]`."""

    stands_alone: ClassVar[bool] = True
    issuer: Annotated[
        str, Meta(min_length=1, max_length=512, description="The claim `iss`, to the character.")
    ]
    audiences: Annotated[Names, Meta(description="One of them has to be in the claim `aud`.")]
    jwks: Annotated[
        str | None,
        Meta(
            description="Where the issuer's public keys are: an https:// URL, a plain one on loopback, "
            "or a file. If absent: asked for at `<issuer>/.well-known/openid-configuration`."
        ),
    ] = None
    ca_file: Annotated[
        str | None, Meta(description="PEM bundle trusted for fetching keys in place of the system's.")
    ] = None
    algorithms: Annotated[
        list[Literal["RS256", "PS256", "ES256", "EdDSA"]],
        Meta(min_length=1, description="Signatures that are accepted. `none` and HMACs never are."),
    ] = field(default_factory=lambda: ["RS256", "PS256", "ES256", "EdDSA"])
    leeway: Annotated[
        Duration, Meta(description="How far the issuer's clock may be off, in whole seconds up to `5m`.")
    ] = duration("30s")
    refresh: Annotated[
        Duration,
        Meta(
            description="How often the keys are fetched again, so how long a withdrawn one still counts; "
            "`1s` to `1d`."
        ),
    ] = duration("5m")
    claims: Annotated[JwtClaims, Meta(description="Names of the claims that are read.")] = field(
        default_factory=JwtClaims
    )
    tenants: Annotated[
        dict[str, str],
        Meta(
            description="Tenant by value of the claim. If empty: the value is the id of a `[tenants]` entry."
        ),
    ] = field(default_factory=dict)
    default_tenant: Annotated[
        str | None,
        Meta(
            description="Tenant of tokens without the claim, `default` included; if absent they are refused."
        ),
    ] = None
    required: Annotated[
        list[str], Meta(description="Further claims that have to be there. `exp` always has to.")
    ] = field(default_factory=list)


class Auth(Table, frozen=True, kw_only=True):
    """What clients may show beside a key."""

    jwt: Annotated[list[Jwt], Meta(description="Issuers of JSON Web Tokens (OIDC).")] = field(
        default_factory=list
    )


class AdminToken(Table, frozen=True, kw_only=True):
    """A token for the admin listener. It is no key: it asks no model."""

    digest: Annotated[Digest, Meta(description="`sha256:` and the hex SHA-256 of the whole token.")]
    role: Annotated[
        Literal["viewer", "operator", "admin"],
        Meta(description="What it allows: to look; to change as well; everything."),
    ]
    name: Annotated[Label | None, Meta(description="For people: whose it is.")] = None


class Admin(Table, frozen=True, kw_only=True):
    """Who may use the admin API."""

    tokens: Annotated[
        list[AdminToken], Meta(description="Tokens that changes need, and from other machines everything.")
    ] = field(default_factory=list)


class Settings(Table, frozen=True, kw_only=True):
    """A whole configuration."""

    server: Annotated[Server, Meta(description="The gateway's own addresses, directories and bounds.")] = (
        field(default_factory=Server)
    )
    spool: Annotated[Spool, Meta(description="How records of exchanges are kept on disk.")] = field(
        default_factory=Spool
    )
    providers: Annotated[
        dict[str, Provider],
        Meta(description="Accounts at vendors, by id. If absent: those whose key is in the environment."),
    ] = field(default_factory=dict)
    deployments: Annotated[
        dict[str, Deployment],
        Meta(description="Models at providers, by id. A provider without any serves all names."),
    ] = field(default_factory=dict)
    groups: Annotated[dict[str, Group], Meta(description="Interchangeable deployments, by id.")] = field(
        default_factory=dict
    )
    models: Annotated[dict[str, Model], Meta(description="Names clients ask for.")] = field(
        default_factory=dict
    )
    catalogue: Annotated[
        Catalogue, Meta(description="What is known of models, where deployments don't say it.")
    ] = field(default_factory=Catalogue)
    resilience: Annotated[Resilience, Meta(description="What is done about providers that fail.")] = field(
        default_factory=Resilience
    )
    drills: Annotated[
        dict[str, Drill], Meta(description="Failover drills: calls that fail on purpose, by id.")
    ] = field(default_factory=dict)
    tiers: Annotated[dict[str, Tier], Meta(description="Classes of tenants, by name.")] = field(
        default_factory=dict
    )
    tenants: Annotated[dict[str, Tenant], Meta(description="Who pays, by id. `default` always exists.")] = (
        field(default_factory=dict)
    )
    limits: Annotated[
        Limits, Meta(description="What may be used by whom `when` names, or by all together.")
    ] = field(default_factory=list)
    limiting: Annotated[Limiting, Meta(description="What limits and queues may take, and who is told.")] = (
        field(default_factory=Limiting)
    )
    telemetry: Annotated[Telemetry, Meta(description="What metrics may take.")] = field(
        default_factory=Telemetry
    )
    access_log: Annotated[AccessLog, Meta(description="A line of JSON per exchange.")] = field(
        default_factory=AccessLog
    )
    keys: Annotated[
        list[Key],
        Meta(description="Virtual keys. Without any, and `auth`, every local client is tenant `default`."),
    ] = field(default_factory=list)
    prices: Annotated[
        dict[str, Price],
        Meta(description="Own prices, by deployment id or else model name, in USD per million tokens."),
    ] = field(default_factory=dict)
    billing: Annotated[Billing, Meta(description="How exchanges are billed.")] = field(
        default_factory=Billing
    )
    auth: Annotated[Auth, Meta(description="What clients may show beside a key.")] = field(
        default_factory=Auth
    )
    admin: Annotated[Admin, Meta(description="Who may use the admin API.")] = field(default_factory=Admin)

    @property
    def is_keyless(self) -> bool:
        """Whether no client is asked for a key or a token."""
        return not self.keys and not self.auth.jwt
