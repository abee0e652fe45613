"""The tables the engine gets, field for field."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from fastgate import _core
from fastgate.config import compile_tables, load_text
from fastgate.config.billing_settings import Price
from fastgate.config.limit_settings import LimitWhen, Resource, Scope
from fastgate.config.routing_settings import Group, When
from fastgate.config.table import Capability, Latency, unwrapped

CORE = Path(__file__).parents[2] / "rust" / "core"

TEXT = """
[providers.one]
base_url = "https://one.example.com/v1/"
api_key = [{ key = "a" }, { key = "b", weight = 3 }]
proxy = "http://proxy:3128/"
ca_file = "ca.pem"
headers = { X-Team = "blue" }
discount = 0.125
[providers.two]
base_url = "http://127.0.0.1:9000"
[deployments.slow]
provider = "one"
model = "m"
region = "eu"
limits = { requests_per_minute = 500, tokens_per_minute = 200_000, concurrent = 64, weights = { output = 5 } }
timeout = { connect = "1s", first_content = "15m", gap = "10s" }
[models.chat]
budget = "12s"
use = ["slow"]
[prices.m]
input = 0.15
output = 0.6
cache_write_1h = 0.000001
[tiers.free]
[tiers.paid]
weight = 10
[tenants.acme]
tier = "paid"
region = "eu"
limits = [
  { per = "user", tokens = 100_000, window = "1h" },
  { usd = 500, window = "month", warn_at = 0.8, downgrade = { at = 0.9, model = "chat" } },
  { per = "user", concurrent = 4 },
]
[tenants.default]
region = "us"
[[keys]]
digest = "sha256:%s"
tenant = "acme"
user = "u"
deployments = ["slow", "two"]
expires = 2027-01-31
limit_amounts = { "tenant acme: usd per month" = "0.5" }
[[limits]]
when = { tier = "free" }
per = "key"
requests = 60
window = "1m"
[limiting]
time_zone = "Europe/Berlin"
"""

UNLIMITED: dict[str, Any] = {
    "requests_per_minute": None,
    "requests_per_day": None,
    "tokens_per_minute": None,
    "input_tokens_per_minute": None,
    "output_tokens_per_minute": None,
    "concurrent": None,
    "weights": {"cache_read_permille": 1000, "output_permille": 1000, "reserves_max_tokens": False},
}
SOFT: dict[str, Any] = {"key_amounts": {}, "is_hard": False, "warn_permille": None, "downgrade": None}
LIMITS: list[dict[str, Any]] = [
    {
        **SOFT,
        "name": "tenant acme: tokens per user and 1h",
        "per": ["tenant", "user"],
        "when": {"tenant": [1]},
        "resource": "tokens",
        "amount": 100_000,
        "window": {"sliding": {"window_ms": 3_600_000}},
    },
    {
        "name": "tenant acme: usd per month",
        "per": ["tenant"],
        "when": {"tenant": [1]},
        "resource": "usd",
        "amount": 500 * 10**12,
        "key_amounts": {"ab" * 6: 5 * 10**11},
        "window": {"calendar": {"period": "month", "time_zone": "Europe/Berlin"}},
        "is_hard": True,
        "warn_permille": 800,
        "downgrade": {"at_permille": 900, "model": "chat"},
    },
    {
        **SOFT,
        "name": "tenant acme: concurrent per user",
        "per": ["tenant", "user"],
        "when": {"tenant": [1]},
        "resource": "concurrent",
        "amount": 4,
        "window": "none",
    },
    {
        **SOFT,
        "name": "limits: requests of tier free per key and 1m",
        "per": ["key"],
        "when": {"tier": [0]},
        "resource": "requests",
        "amount": 60,
        "window": {"rate": {"period_ms": 60_000, "burst": 10}},
    },
]


def tables_of(text: str, file: Path = Path("fastgate.toml")) -> Any:
    document = compile_tables(load_text(text, {}, file=str(file)))
    _core.check_tables(document)
    return json.loads(document)


def test_every_field(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    tables = tables_of(TEXT % ("AB" * 32), tmp_path / "fastgate.toml")
    assert tables["providers"] == [
        {
            "id": "one",
            "dialect": "openai",
            "base_url": "https://one.example.com/v1",
            "credentials": [
                {"secret": "a", "weight": 1, "limits": UNLIMITED},
                {"secret": "b", "weight": 3, "limits": UNLIMITED},
            ],
            "headers": [["x-team", "blue"]],
            "stream_usage": True,
            "responses": True,
            "discount_millionths": 125_000,
            "proxy": "http://proxy:3128",
            "ca_file": str(tmp_path / "ca.pem"),
        },
        {
            "id": "two",
            "dialect": "openai",
            "base_url": "http://127.0.0.1:9000",
            "credentials": [],
            "headers": [],
            "stream_usage": True,
            "responses": True,
            "discount_millionths": 0,
            "proxy": None,
            "ca_file": None,
        },
    ]
    assert tables["deployments"] == [
        {
            "id": "slow",
            "provider": 0,
            "model": "m",
            "region": "eu",
            "cost_class": None,
            "latency": "interactive",
            "capabilities": None,
            "context_tokens": None,
            "output_tokens": None,
            "deviations": {},
            "models": {"names": {}, "starts_with": []},
            # No total was given: as long as the first content may take.
            "timeouts": {
                "connect_ms": 1000,
                "first_content_ms": 900_000,
                "gap_ms": 10_000,
                "total_ms": 900_000,
            },
            "retries": 2,
            "tokenizer": None,
            "limits": {
                **UNLIMITED,
                "requests_per_minute": 500,
                "tokens_per_minute": 200_000,
                "concurrent": 64,
                "weights": {**UNLIMITED["weights"], "output_permille": 5000},
            },
        },
        {
            "id": "two",
            "provider": 1,
            "model": None,
            "region": None,
            "cost_class": None,
            "latency": "interactive",
            "capabilities": None,
            "context_tokens": None,
            "output_tokens": None,
            "deviations": {},
            "models": {"names": {}, "starts_with": []},
            "timeouts": {
                "connect_ms": 5000,
                "first_content_ms": 120_000,
                "gap_ms": 60_000,
                "total_ms": 600_000,
            },
            "retries": 2,
            "tokenizer": None,
            "limits": UNLIMITED,
        },
    ]
    members = [{"deployment": 0, "weight": 1}]
    step = {"group": None, "pick": "weighted", "sticky_by": "session", "members": members}
    rows = [{"when": {}, "chain": [step]}]
    assert tables["models"] == {
        "chat": {"budget_ms": 12_000, "rows": rows, "listed": True},
        "slow": {"budget_ms": None, "rows": rows, "listed": True},
        "one/m": {"budget_ms": None, "rows": rows, "listed": False},
        "m": {"budget_ms": None, "rows": rows, "listed": True},
    }
    assert tables["open_providers"] == [{"deployment": 1, "prefixes": [], "any": False}]
    assert tables["tiers"] == [{"id": "free", "weight": 1}, {"id": "paid", "weight": 10}]
    assert tables["tenants"] == [
        {"id": "default", "tier": None, "region": "us"},
        {"id": "acme", "tier": 1, "region": "eu"},
    ]
    assert tables["keys"] == [
        {
            "digest": "ab" * 32,
            "tenant": 1,
            "user": "u",
            "feature": None,
            "models": None,
            "deployments": [0, 1],
            "expires_unix_s": 1_801_353_600,
        }
    ]
    assert tables["access"] == {"allowed_hosts": None, "allowed_origins": []}
    assert tables["bounds"] == {
        "request_body_bytes": 10_000_000,
        "multipart_body_bytes": 32_000_000,
        "request_headers_bytes": 32_000,
        "request_header_fields": 100,
        "request_target_bytes": 8_000,
        "json_depth": 128,
        "answer_body_bytes": 256_000_000,
        "connections": 10_000,
        "in_flight": 10_000,
        "clients": {
            "head_ms": 10_000,
            "body_gap_ms": 10_000,
            "body_ms": 300_000,
            "write_gap_ms": 30_000,
            "keep_alive_ms": 75_000,
            "exchange_ms": 3_600_000,
        },
        "stream_event_bytes": 4_000_000,
        "stream_ping_ms": 15_000,
        "idle_connections": 64,
        "idle_timeout_ms": 60_000,
    }
    assert tables["spool"] == {
        "segment_size_bytes": 64_000_000,
        "segment_age_ms": 3_600_000,
        "compress": True,
        "free_space_floor_bytes": 1_000_000_000,
        "total_size_bytes": 50_000_000_000,
    }
    assert tables["prices"] == {"m": {"input": 150_000, "output": 600_000, "cache_write_1h": 1}}
    assert tables["billing"] == {"unknown_price": "allow"}
    defaults = json.loads((CORE / "tests" / "tables.json").read_text())["resilience"]
    assert tables["resilience"] == {**defaults, "idempotency_bytes": 64_000_000}
    assert tables["limits"] == LIMITS
    assert tables["limiting"] == {
        "identities": 1_000_000,
        "output_tokens": 4096,
        "queue_length": 1000,
        "queue_wait_ms": 30_000,
    }


SOURCES = ("tables.rs", "tables/deployments.rs", "tables/limits.rs")


def fields_of(struct: str) -> dict[str, str]:
    """Names and types of a struct of `tables.rs`."""
    source = "".join((CORE / "src" / name).read_text() for name in SOURCES)
    body = re.search(rf"pub struct {struct} {{(.*?)\n}}", source, re.DOTALL)
    assert body, struct
    return dict(re.findall(r"^    pub (\w+): (.+),$", body[1], re.MULTILINE))


# What a table is made of, by struct and field, where it is a struct again.
STRUCTS = {
    ("Tables", "providers"): "Provider",
    ("Tables", "deployments"): "Deployment",
    ("Tables", "models"): "Route",
    ("Tables", "open_providers"): "OpenProvider",
    ("Tables", "tiers"): "Tier",
    ("Tables", "tenants"): "Tenant",
    ("Tables", "keys"): "Key",
    ("Tables", "access"): "Access",
    ("Tables", "bounds"): "Bounds",
    ("Tables", "spool"): "SpoolSettings",
    ("Tables", "billing"): "Billing",
    ("Tables", "telemetry"): "Telemetry",
    ("Tables", "resilience"): "Resilience",
    ("Tables", "limits"): "LimitRule",
    ("Tables", "limiting"): "LimitSettings",
    ("LimitRule", "downgrade"): "Downgrade",
    ("Credential", "limits"): "Capacity",
    ("Deployment", "limits"): "Capacity",
    ("Capacity", "weights"): "TokenWeights",
    ("Provider", "credentials"): "Credential",
    ("Deployment", "timeouts"): "Timeouts",
    ("Route", "rows"): "Row",
    ("Row", "chain"): "Step",
    ("Step", "members"): "Member",
    ("Bounds", "clients"): "ClientTimes",
    ("Resilience", "breaker"): "BreakerSettings",
}


def test_every_field_of_the_tables_is_written_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    pending: list[tuple[str, Any]] = [("Tables", tables_of(TEXT % ("AB" * 32), tmp_path / "fastgate.toml"))]
    seen = set()
    for struct, table in pending:
        seen.add(struct)
        assert table.keys() == fields_of(struct).keys(), struct
        for field, value in table.items():
            inner = STRUCTS.get((struct, field))
            if inner is not None:
                entries = value if isinstance(value, list) else [value]
                entries = list(value.values()) if inner == "Route" else entries
                pending += [(inner, entry) for entry in entries if entry is not None]
    assert seen == {"Tables", *STRUCTS.values()}


def test_conditions_and_words_are_those_of_the_tables() -> None:
    assert fields_of("When").keys() == {
        {"hour": "hours", "load": "load_permille"}.get(field.name, field.name)
        for field in msgspec.structs.fields(When)
    }
    assert fields_of("LimitWhen").keys() == {field.name for field in msgspec.structs.fields(LimitWhen)}
    source = "".join((CORE / "src" / name).read_text() for name in SOURCES)
    assert tuple(re.findall(r'\(Capability::\w+, "(\w+)"\)', source)) == get_args(Capability)
    for name, words in (
        ("Latency", get_args(Latency)),
        ("Pick", get_args(type_hint(Group, "pick"))),
        ("StickyBy", get_args(type_hint(Group, "by"))),
        ("Scope", get_args(Scope)),
        ("Period", ("day", "week", "month")),
    ):
        (body,) = re.findall(rf"pub enum {name} {{(.*?)\n}}", source, re.DOTALL)
        variants = re.findall(r"^    (\w+),$", body, re.MULTILINE)
        assert snake(variants) == words
    (body,) = re.findall(r"pub enum Resource {(.*?)\n}", source, re.DOTALL)
    assert set(snake(re.findall(r"^    (\w+),$", body, re.MULTILINE))) == set(get_args(Resource))


def snake(variants: list[str]) -> tuple[str, ...]:
    return tuple(re.sub(r"\B([A-Z])", r"_\1", variant).lower() for variant in variants)


def type_hint(table: type[msgspec.Struct], name: str) -> Any:
    (found,) = (field.type for field in msgspec.structs.fields(table) if field.name == name)
    return unwrapped(found)[0]


@pytest.mark.parametrize(
    ("written", "field", "compiled"),
    [
        ('region = "eu"', "region", "eu"),
        ('cost_class = "premium"', "cost_class", "premium"),
        ('latency = "batch"', "latency", "batch"),
        ('capabilities = ["tools", "audio_output"]', "capabilities", ["tools", "audio_output"]),
        ("capabilities = []", "capabilities", []),
        ("context_tokens = 8_192", "context_tokens", 8192),
        ("output_tokens = 4_096", "output_tokens", 4096),
        ("retries = 0", "retries", 0),
        ('tokenizer = "o200k"', "tokenizer", {"encoding": "o200k_base"}),
    ],
)
def test_each_setting_of_a_deployment_is_one_field(written: str, field: str, compiled: object) -> None:
    head = '[providers.a]\nbase_url = "https://a.example"\n[deployments.d]\nprovider = "a"\nmodel = "m"\n'
    default = tables_of(head)["deployments"][0]
    assert tables_of(head + written)["deployments"][0] == {**default, field: compiled}
    assert default[field] != compiled


def test_files_are_kept_by_one_provider() -> None:
    two = (
        '[providers.a]\nbase_url = "https://a.example/v1"\n[providers.b]\nbase_url = "https://b.example/v1"\n'
    )
    deployment = '[deployments.d]\nprovider = "a"\nmodel = "m"\n'
    assert tables_of(two)["files_deployment"] is None
    named = tables_of('[server]\nfiles_provider = "a"\n' + two + deployment)
    kept_by = named["deployments"][named["files_deployment"]]
    assert (kept_by["id"], kept_by["provider"], kept_by["model"]) == ("a", 0, None)
    assert kept_by["id"] not in named["models"]
    assert not any(opened["deployment"] == named["files_deployment"] for opened in named["open_providers"])
    only = tables_of('[providers.a]\nbase_url = "https://a.example/v1"\n')
    assert only["files_deployment"] == only["open_providers"][0]["deployment"]


def test_the_built_in_mock_is_free_and_no_other_provider_is() -> None:
    assert tables_of("")["prices"] == {"mock": {"input": 0, "output": 0}}
    assert tables_of('[providers.mock]\nbase_url = "http://127.0.0.1:9"\n')["prices"] == {}


def test_every_class_that_a_price_may_state_is_one_the_engine_knows() -> None:
    names = [field.name for field in msgspec.structs.fields(Price)]
    text = "".join(f"{name} = {position}\n" for position, name in enumerate(names))
    tables = tables_of(f'[providers.x]\nbase_url = "http://127.0.0.1:9"\n[prices.y]\n{text}')
    assert list(tables["prices"]["y"]) == names


def test_access_and_bounds() -> None:
    tables = tables_of(
        '[server]\nallowed_hosts = ["A.Example.COM"]\nallowed_origins = ["https://b.example.com"]\n'
        '[server.bounds]\nrequest_body = "1KiB"\nidle_timeout = "250ms"\n'
    )
    assert tables["access"] == {
        "allowed_hosts": ["a.example.com"],
        "allowed_origins": ["https://b.example.com"],
    }
    assert tables["bounds"]["request_body_bytes"] == 1024
    assert tables["bounds"]["idle_timeout_ms"] == 250


def test_the_engine_refuses_what_does_not_hold_together() -> None:
    with pytest.raises(ValueError, match="compiled configuration"):
        _core.check_tables(b'{"providers": []}')
