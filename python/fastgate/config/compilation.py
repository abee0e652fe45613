"""Settings to the tables the engine runs on: `rust/core/src/tables.rs`, field for field.

Only conversion: ids become indices, durations milliseconds, sizes bytes. Everything that may fail has been
checked.
"""

from typing import Any

import msgspec

from fastgate.config.catalogue_settings import Filled
from fastgate.config.deviations import deviations, has_responses, known_models
from fastgate.config.limit_rules import rules
from fastgate.config.limit_tables import capacity_table, limit_table, limiting_table
from fastgate.config.loading import MOCK, Config
from fastgate.config.model_facts import Fill, fill, filled_by_catalogue
from fastgate.config.names import Route, Row, Step
from fastgate.config.resilience_settings import Resilience
from fastgate.config.route_tables import route_table
from fastgate.config.settings import (
    DEFAULT_TENANT,
    ENCODINGS,
    Deployment,
    Jwt,
    Key,
    Provider,
    Server,
    Settings,
    Spool,
    Tenant,
)
from fastgate.config.units import Duration
from fastgate.config.vendor_weights import shared_weights, weights_of

_TOTAL_DEFAULT = Duration.parse("10m")


def compile_tables(config: Config, *, mock_address: str | None = None) -> bytes:
    """The JSON document for `Engine`. `mock_address`: where the built-in mock listens, if `config.mock`."""
    return msgspec.json.encode(tables(config, mock_address=mock_address), enc_hook=int)


def tables(config: Config, *, mock_address: str | None = None) -> dict[str, Any]:
    """The same document as plain values; holds credentials."""
    settings = config.settings
    providers = {name: index for index, name in enumerate(settings.providers)}
    filled = filled_by_catalogue(settings)
    deployments = [
        _deployment(name, providers[item.provider], item, config, filled)
        for name, item in settings.deployments.items()
    ]
    open_providers = []
    for opened in config.open_providers:
        open_providers.append(
            {"deployment": len(deployments), "prefixes": list(opened.prefixes), "any": opened.any}
        )
        deployments.append(_open_deployment(opened.provider, providers[opened.provider], config, filled))
    indices = {deployment["id"]: index for index, deployment in enumerate(deployments)}
    files_deployment = _files_deployment(config, providers, deployments, filled)
    tenants = [DEFAULT_TENANT, *(name for name in settings.tenants if name != DEFAULT_TENANT)]
    tiers = list(settings.tiers)
    routes = config.routes | ({MOCK: _MOCK_ROUTE} if config.mock else {})
    return {
        "providers": [
            _provider(name, item, config, mock_address) for name, item in settings.providers.items()
        ],
        "deployments": deployments,
        "models": {
            name: route_table(route, deployments=indices, tenants=tenants, tiers=tiers)
            for name, route in routes.items()
        },
        "open_providers": open_providers,
        "files_deployment": files_deployment,
        "tiers": [{"id": name, "weight": tier.weight} for name, tier in settings.tiers.items()],
        "tenants": [_tenant(name, settings.tenants.get(name, Tenant()), tiers) for name in tenants],
        "keys": [_key(key, tenants, indices) for key in settings.keys],
        "jwt_issuers": [_issuer(issuer, tenants) for issuer in settings.auth.jwt],
        "access": _access(settings.server),
        "bounds": _bounds(settings.server),
        "spool": _spool(settings.spool),
        "prices": {name: price.rates() for name, price in settings.prices.items()}
        | ({MOCK: {"input": 0, "output": 0}} if config.mock else {}),
        "billing": {"unknown_price": settings.billing.unknown_price},
        "telemetry": {"label_values": settings.telemetry.label_values},
        "access_log": _access_log(config),
        "resilience": _resilience(settings.resilience),
        "limits": _limits(settings, tenants, tiers),
        "limiting": limiting_table(settings.limiting),
    }


# The mock answers to every name; listing one tells a new user what to ask for.
_MOCK_ROUTE = Route((Row((Step(((MOCK, 1),)),)),))


def _files_deployment(
    config: Config, providers: dict[str, int], deployments: list[dict[str, Any]], filled: frozenset[Filled]
) -> int | None:
    """The deployment without a model that stands for the provider of files; added where there is none yet."""
    named = config.settings.server.files_provider
    own = [one for one in providers if config.settings.providers[one].dialect == "openai"]
    name = named or (own[0] if len(own) == len(providers) == 1 else None)
    if name is None:
        return None
    for index, deployment in enumerate(deployments):
        if deployment["provider"] == providers[name] and deployment["model"] is None:
            return index
    deployments.append(_open_deployment(name, providers[name], config, filled))
    return len(deployments) - 1


def _provider(name: str, provider: Provider, config: Config, mock_address: str | None) -> dict[str, Any]:
    mocked = config.mock and mock_address is not None
    deployments = config.settings.deployments.values()
    models = {deployment.model for deployment in deployments if deployment.provider == name}
    weights = shared_weights(provider.base_url, models)
    return {
        "id": name,
        "dialect": provider.dialect,
        "base_url": f"http://{mock_address}/v1" if mocked else provider.base_url.rstrip("/"),
        "credentials": [
            {
                "secret": credential.key.reveal(),
                "weight": credential.weight,
                "limits": capacity_table(credential.limits, weights),
            }
            for credential in provider.api_key
        ],
        "stream_usage": provider.stream_usage,
        "responses": has_responses(config.settings, name),
        "discount_millionths": provider.discount or 0,
        "headers": [[header.lower(), value.reveal()] for header, value in provider.headers.items()],
        "proxy": provider.proxy.rstrip("/") if provider.proxy else None,
        "ca_file": config.resolve(provider.ca_file) if provider.ca_file else None,
    }


def _open_deployment(name: str, provider: int, config: Config, filled: frozenset[Filled]) -> dict[str, Any]:
    """Serves whatever model a request names."""
    item = Deployment(provider=name, model="")
    models = known_models(config.settings, name, filled)
    return {**_deployment(name, provider, item, config, filled), "model": None, "models": models}


def _deployment(
    name: str, provider: int, item: Deployment, config: Config, filled: frozenset[Filled]
) -> dict[str, Any]:
    timeout = item.timeout
    # One without a model serves any, of which nothing is known.
    known = fill(config.settings, item, filled) if item.model else Fill(None, None, None)
    weights = weights_of(config.settings.providers[item.provider].base_url, item.model or None)
    return {
        "id": name,
        "provider": provider,
        "model": item.model,
        "region": item.region,
        "cost_class": item.cost_class,
        "latency": item.latency,
        "capabilities": known.capabilities,
        "context_tokens": known.context_tokens,
        "output_tokens": known.output_tokens,
        "deviations": deviations(config.settings, item.provider, item.model or None, filled),
        "models": {"names": {}, "starts_with": []},
        "timeouts": {
            "connect_ms": timeout.connect,
            "first_content_ms": timeout.first_content,
            "gap_ms": timeout.gap,
            "total_ms": timeout.total or max(_TOTAL_DEFAULT, timeout.first_content),
        },
        "retries": config.settings.resilience.retries if item.retries is None else item.retries,
        "tokenizer": _tokenizer(item, config),
        "limits": capacity_table(item.limits, weights),
    }


def _limits(settings: Settings, tenants: list[str], tiers: list[str]) -> list[dict[str, Any]]:
    tenant_indices = {name: index for index, name in enumerate(tenants)}
    tier_indices = {name: index for index, name in enumerate(tiers)}
    return [limit_table(rule, tenants=tenant_indices, tiers=tier_indices) for rule in rules(settings)]


def _tenant(name: str, tenant: Tenant, tiers: list[str]) -> dict[str, Any]:
    return {
        "id": name,
        "tier": None if tenant.tier is None else tiers.index(tenant.tier),
        "region": tenant.region,
    }


def _key(key: Key, tenants: list[str], deployments: dict[str, int]) -> dict[str, Any]:
    allowed = key.deployments
    return {
        "digest": key.digest.removeprefix("sha256:").lower(),
        "tenant": tenants.index(key.tenant),
        "user": key.user,
        "feature": key.feature,
        "models": key.models,
        "deployments": None if allowed is None else [deployments[name] for name in allowed],
        "expires_unix_s": key.expires,
    }


def _issuer(issuer: Jwt, tenants: list[str]) -> dict[str, Any]:
    # `default` exists without being configured, so no claim may name it unless `tenants` does.
    values = issuer.tenants or {name: name for name in tenants if name != DEFAULT_TENANT}
    return {
        "issuer": issuer.issuer,
        "audiences": issuer.audiences,
        "algorithms": issuer.algorithms,
        "leeway_s": issuer.leeway // 1000,
        "required": issuer.required,
        "tenant_claim": issuer.claims.tenant,
        "tenants": {value: tenants.index(name) for value, name in values.items()},
        "default_tenant": None if issuer.default_tenant is None else tenants.index(issuer.default_tenant),
        "user_claim": issuer.claims.user,
        "feature_claim": issuer.claims.feature,
        "models_claim": issuer.claims.models,
    }


def _tokenizer(deployment: Deployment, config: Config) -> dict[str, str] | None:
    if deployment.tokenizer is None:
        return None
    encoding = ENCODINGS.get(deployment.tokenizer)
    return {"encoding": encoding} if encoding else {"file": config.resolve(deployment.tokenizer)}


def _access(server: Server) -> dict[str, Any]:
    hosts = server.allowed_hosts
    return {
        "allowed_hosts": None if hosts is None else [host.lower() for host in hosts],
        "allowed_origins": [origin.lower() for origin in server.allowed_origins],
    }


def _access_log(config: Config) -> dict[str, Any] | None:
    log = config.settings.access_log
    if log.path is None:
        return None
    path = None if log.path == "stdout" else config.resolve(log.path)
    return {"path": path, "buffer_bytes": log.buffer}


def _bounds(server: Server) -> dict[str, Any]:
    bounds = server.bounds
    return {
        "request_body_bytes": bounds.request_body,
        "multipart_body_bytes": bounds.multipart_body,
        "request_headers_bytes": bounds.request_headers,
        "request_header_fields": bounds.request_header_fields,
        "request_target_bytes": bounds.request_target,
        "json_depth": bounds.json_depth,
        "answer_body_bytes": bounds.answer_body,
        "connections": bounds.connections,
        "in_flight": bounds.in_flight,
        "clients": {
            "head_ms": bounds.head_timeout,
            "body_gap_ms": bounds.body_gap,
            "body_ms": bounds.body_timeout,
            "write_gap_ms": bounds.write_gap,
            "keep_alive_ms": bounds.keep_alive,
            "exchange_ms": bounds.exchange_timeout,
        },
        "stream_event_bytes": bounds.stream_event,
        "stream_ping_ms": bounds.stream_ping,
        "idle_connections": bounds.idle_connections,
        "idle_timeout_ms": bounds.idle_timeout,
    }


def _spool(spool: Spool) -> dict[str, Any]:
    return {
        "segment_size_bytes": spool.segment_size,
        "segment_age_ms": spool.segment_age,
        "compress": spool.compress,
        "free_space_floor_bytes": spool.free_space_floor,
        "total_size_bytes": spool.total_size,
    }


def _resilience(resilience: Resilience) -> dict[str, Any]:
    breaker, idempotency = resilience.breaker, resilience.idempotency
    return {
        "backoff_ms": resilience.backoff,
        "backoff_max_ms": resilience.backoff_max,
        "wait_max_ms": resilience.wait_max,
        "retry_permille": resilience.retry_share,
        "retries_per_second": resilience.retries_per_second,
        "breaker": {
            "consecutive_failures": breaker.failures,
            "success_permille": breaker.success_share,
            "minimum_calls": breaker.minimum_calls,
            "open_ms": breaker.open,
            "open_max_ms": breaker.open_max,
        },
        "credential_pause_ms": resilience.credential_pause,
        "adaptive_concurrency": resilience.adaptive_concurrency,
        "probe_interval_ms": resilience.probe,
        "idempotency_ms": idempotency.keep,
        "idempotency_bytes": idempotency.size,
    }
