"""Settings to the tables the engine runs on: `rust/core/src/tables.rs`, field for field.

Only conversion: ids become indices, durations milliseconds, sizes bytes. Everything that may fail has been
checked.
"""

from typing import Any

import msgspec

from fastgate.config.loading import MOCK, Config
from fastgate.config.references import DEFAULT_TENANT
from fastgate.config.settings import (
    ENCODINGS,
    Deployment,
    Jwt,
    Provider,
    Server,
    Settings,
    Spool,
    Timeouts,
)
from fastgate.config.units import Duration

_TOTAL_DEFAULT = Duration.parse("10m")


def compile_tables(config: Config, *, mock_address: str | None = None) -> bytes:
    """The JSON document for `Engine`. `mock_address`: where the built-in mock listens, if `config.mock`."""
    return msgspec.json.encode(tables(config, mock_address=mock_address), enc_hook=int)


def tables(config: Config, *, mock_address: str | None = None) -> dict[str, Any]:
    """The same document as plain values; holds credentials."""
    settings = config.settings
    providers = {name: index for index, name in enumerate(settings.providers)}
    deployments = [
        _deployment(
            name,
            providers[item.provider],
            model=item.model,
            region=item.region,
            timeout=item.timeout,
            tokenizer=_tokenizer(item, config),
        )
        for name, item in settings.deployments.items()
    ]
    indices = {deployment["id"]: index for index, deployment in enumerate(deployments)}
    open_providers = []
    for opened in config.open_providers:
        open_providers.append(
            {"deployment": len(deployments), "prefixes": list(opened.prefixes), "any": opened.any}
        )
        deployments.append(_open_deployment(opened.provider, providers[opened.provider]))
    files_deployment = _files_deployment(settings, providers, deployments)
    tenants = [DEFAULT_TENANT, *(name for name in settings.tenants if name != DEFAULT_TENANT)]
    return {
        "providers": [
            _provider(name, item, config, mock_address) for name, item in settings.providers.items()
        ],
        "deployments": deployments,
        "models": {
            name: {
                "budget_ms": route.budget_ms,
                "chain": [
                    [{"deployment": indices[member], "weight": weight} for member, weight in step]
                    for step in route.chain
                ],
                "listed": route.listed,
            }
            for name, route in config.routes.items()
        }
        | (_mock_route(deployments) if config.mock else {}),
        "open_providers": open_providers,
        "files_deployment": files_deployment,
        "tenants": [
            {"id": name, "region": settings.tenants[name].region if name in settings.tenants else None}
            for name in tenants
        ],
        "keys": [
            {
                "digest": key.digest.removeprefix("sha256:").lower(),
                "tenant": tenants.index(key.tenant),
                "user": key.user,
                "feature": key.feature,
                "models": key.models,
                "expires_unix_s": key.expires,
            }
            for key in settings.keys
        ],
        "jwt_issuers": [_issuer(issuer, tenants) for issuer in settings.auth.jwt],
        "access": _access(settings.server),
        "bounds": _bounds(settings.server),
        "spool": _spool(settings.spool),
        "prices": {name: price.rates() for name, price in settings.prices.items()}
        | ({MOCK: {"input": 0, "output": 0}} if config.mock else {}),
        "billing": {"unknown_price": settings.billing.unknown_price},
        "telemetry": {"label_values": settings.telemetry.label_values},
        "access_log": _access_log(config),
    }


def _files_deployment(
    settings: Settings, providers: dict[str, int], deployments: list[dict[str, Any]]
) -> int | None:
    """The deployment without a model that stands for the provider of files; added where there is none yet."""
    name = settings.server.files_provider or (next(iter(providers)) if len(providers) == 1 else None)
    if name is None:
        return None
    for index, deployment in enumerate(deployments):
        if deployment["provider"] == providers[name] and deployment["model"] is None:
            return index
    deployments.append(_open_deployment(name, providers[name]))
    return len(deployments) - 1


def _mock_route(deployments: list[dict[str, Any]]) -> dict[str, Any]:
    """The mock answers to every name; listing one tells a new user what to ask for."""
    index = next(index for index, deployment in enumerate(deployments) if deployment["id"] == MOCK)
    return {MOCK: {"budget_ms": None, "chain": [[{"deployment": index, "weight": 1}]], "listed": True}}


def _provider(name: str, provider: Provider, config: Config, mock_address: str | None) -> dict[str, Any]:
    mocked = config.mock and mock_address is not None
    return {
        "id": name,
        "dialect": provider.dialect,
        "base_url": f"http://{mock_address}/v1" if mocked else provider.base_url.rstrip("/"),
        "credentials": [
            {"secret": credential.key.reveal(), "weight": credential.weight}
            for credential in provider.api_key
        ],
        "stream_usage": provider.stream_usage,
        "headers": [[header.lower(), value.reveal()] for header, value in provider.headers.items()],
        "proxy": provider.proxy.rstrip("/") if provider.proxy else None,
        "ca_file": config.resolve(provider.ca_file) if provider.ca_file else None,
    }


def _open_deployment(name: str, provider: int) -> dict[str, Any]:
    """Serves whatever model a request names."""
    return _deployment(name, provider, model=None, region=None, timeout=Timeouts(), tokenizer=None)


def _deployment(
    name: str,
    provider: int,
    *,
    model: str | None,
    region: str | None,
    timeout: Timeouts,
    tokenizer: dict[str, str] | None,
) -> dict[str, Any]:
    total = timeout.total or max(_TOTAL_DEFAULT, timeout.first_content)
    return {
        "id": name,
        "provider": provider,
        "model": model,
        "region": region,
        "timeouts": {
            "connect_ms": timeout.connect,
            "first_content_ms": timeout.first_content,
            "gap_ms": timeout.gap,
            "total_ms": total,
        },
        "tokenizer": tokenizer,
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
