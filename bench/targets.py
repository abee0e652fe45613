"""What is measured: each target as data, a function that writes its config and says how to start it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import nginx
from bench.limits import limits_config
from bench.options import HERE, Options
from bench.payload import (
    CLIENT_HEADERS,
    INPUT_PUSD,
    MODEL,
    ORIGIN,
    OUTPUT_PUSD,
    TENANT,
    Dialect,
    Kind,
    Request,
    key_digest,
    request,
    usd_per_million,
)
from bench.processes import free_port

UPSTREAM_KEY = "sk-upstream-bench"
PEERS = HERE / ".peers"
PORTKEY = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"


@dataclass(frozen=True)
class Site:
    """Where one instance of a target lives and what it stands before."""

    directory: Path
    upstreams: Mapping[Kind, int]
    options: Options

    @property
    def spool(self) -> Path:
        """Where a gateway keeps its records."""
        return self.directory / "state" / "spool"


@dataclass(frozen=True)
class Launch:
    """How to start one instance, and the port and request per kind of answer; of a gateway also its spool,
    and the port of `/metrics` where it has one.
    """

    argv: list[str]
    ports: Mapping[Kind, int]
    requests: Mapping[Kind, Request]
    env: Mapping[str, str] = field(default_factory=dict)
    spool: Path | None = None
    admin: int | None = None


@dataclass(frozen=True)
class Target:
    """A thing to measure; an `exact` one must bring the upstream's bytes, others the same content."""

    name: str
    prepare: Callable[[Site], Launch]
    needs: Callable[[Options], Path]
    exact: bool = True
    start_seconds: float = 15.0
    client: Dialect = Dialect.OPENAI
    provider: Dialect = Dialect.OPENAI
    reference: str = "nginx"
    """What its figures are compared with: nginx that passes on the same provider's bytes."""


@dataclass(frozen=True)
class Extra:
    """What one target's gateway has that others have not: a vocabulary, lines at the end of its config,
    other dialects.
    """

    tokenizer: str | None = None
    lines: str = ""
    client: Dialect = Dialect.OPENAI
    provider: Dialect = Dialect.OPENAI


NOTHING = Extra()


def gateway_config(site: Site, port: int, admin_port: int, extra: Extra = NOTHING) -> str:
    """The gateway's config: one provider, deployment and price per kind, one key by its digest; CORS and the
    access log unless the run is plain. Metrics, spool, trace context and bounds are always on.
    """
    options = site.options
    lines = [
        "[server]",
        f'listen = "127.0.0.1:{port}"',
        f'admin = "127.0.0.1:{admin_port}"',
        f"state_dir = {json.dumps(str(site.directory / 'state'))}",
    ]
    if not options.plain:
        lines += [f'allowed_origins = ["{ORIGIN}"]', "[access_log]", 'path = "access.log"']
    for kind, upstream in site.upstreams.items():
        lines += [
            f"[providers.{kind}]",
            f'dialect = "{extra.provider}"',
            f'base_url = "http://127.0.0.1:{upstream}{extra.provider.base_path}"',
            f'api_key = "{UPSTREAM_KEY}"',
            f"[deployments.bench-{kind}]",
            f'provider = "{kind}"',
            f'model = "{kind.model}"',
            *([f'tokenizer = "{extra.tokenizer}"'] if extra.tokenizer else []),
            f"[prices.bench-{kind}]",
            f"input = {usd_per_million(INPUT_PUSD)}",
            f"output = {usd_per_million(OUTPUT_PUSD)}",
        ]
    lines += [
        f"[tenants.{TENANT}]",
        "[[keys]]",
        f'digest = "{key_digest()}"',
        f'tenant = "{TENANT}"',
        "",
        extra.lines,
        Path(options.config_extra).read_text() if options.config_extra else "",
    ]
    return "\n".join(lines)


def _nginx(client: Dialect = Dialect.OPENAI) -> Callable[[Site], Launch]:
    def prepare(site: Site) -> Launch:
        ports = {kind: free_port() for kind in Kind}
        config = site.directory / "nginx.conf"
        config.write_text(
            nginx.proxy_config(
                site.directory,
                ports=ports,
                upstreams=site.upstreams,
                workers=site.options.workers,
                access_log=site.options.nginx_access_log,
            )
        )
        return Launch(nginx.argv(config), ports, _requests(site, client))

    return prepare


def _requests(site: Site, client: Dialect = Dialect.OPENAI) -> dict[Kind, Request]:
    """The same for every target that takes them as they are."""
    return {kind: request(kind, {} if site.options.plain else CLIENT_HEADERS, client) for kind in Kind}


def _one_port(site: Site, argv: list[str], port: int, env: Mapping[str, str] | None = None) -> Launch:
    return Launch(argv, dict.fromkeys(Kind, port), _requests(site), env or {})


def _write_gateway(site: Site, admin_port: int, extra: Extra = NOTHING) -> tuple[Path, int]:
    """Write the gateway's config; its path and port."""
    port, config = free_port(), site.directory / "fastgate.toml"
    config.write_text(gateway_config(site, port, admin_port, extra))
    return config, port


def _native(extra: Extra = NOTHING) -> Callable[[Site], Launch]:
    def prepare(site: Site) -> Launch:
        admin = free_port()
        config, port = _write_gateway(site, admin, extra)
        launch = _one_port(site, [f"{site.options.bin_dir}/fastgate", "serve", "-c", str(config)], port)
        requests = _requests(site, extra.client)
        return replace(launch, requests=requests, spool=site.spool, admin=admin)

    return prepare


def _native_target(name: str, client: Dialect, provider: Dialect) -> Target:
    """The native door between two dialects; with one on both sides it passes bytes on."""
    extra = Extra(client=client, provider=provider)
    reference = "nginx" if provider is Dialect.OPENAI else "nginx-anthropic"
    return Target(
        name,
        _native(extra),
        _tool("fastgate"),
        exact=client is provider,
        client=client,
        provider=provider,
        reference=reference,
    )


def _behind_server(site: Site, argv: list[str], config: Path, port: int) -> Launch:
    """The ASGI door: it has no admin listener."""
    return replace(_one_port(site, argv, port, {"FASTGATE_CONFIG": str(config)}), spool=site.spool)


def _uvicorn(site: Site) -> Launch:
    config, port = _write_gateway(site, free_port())
    argv = [
        f"{site.options.bin_dir}/uvicorn",
        site.options.asgi_app,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    argv += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    argv += ["--no-proxy-headers", "--ws", "none"]
    argv += ["--workers", str(site.options.workers)] if site.options.workers > 1 else []
    return _behind_server(site, argv, config, port)


def _granian(interface: str, app: Callable[[Options], str]) -> Callable[[Site], Launch]:
    def prepare(site: Site) -> Launch:
        config, port = _write_gateway(site, free_port())
        argv = [f"{site.options.bin_dir}/granian", "--interface", interface, "--host", "127.0.0.1"]
        argv += ["--port", str(port), "--loop", "uvloop", "--runtime-threads", "1", "--no-ws"]
        argv += ["--workers", str(site.options.workers), "--log-level", "warning", app(site.options)]
        return _behind_server(site, argv, config, port)

    return prepare


def _litellm(site: Site) -> Launch:
    """LiteLLM's proxy with its master key as the client's key; no database, no callbacks, no retries."""
    port, config = free_port(), site.directory / "litellm.json"
    models = [
        {
            "model_name": kind.model,
            "litellm_params": {
                "model": f"openai/{MODEL}",
                "api_base": f"http://127.0.0.1:{upstream}/v1",
                "api_key": UPSTREAM_KEY,
            },
        }
        for kind, upstream in site.upstreams.items()
    ]
    launch = request(Kind.JSON)
    key = launch.headers["Authorization"].removeprefix("Bearer ")
    document = {
        "model_list": models,
        "router_settings": {"num_retries": 0},
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": key},
    }
    config.write_text(json.dumps(document))  # JSON is YAML
    argv = [str(PEERS / "litellm" / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    argv += ["--port", str(port), "--num_workers", str(site.options.workers), "--telemetry", "False"]
    env = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return _one_port(site, argv, port, env)


def _portkey(site: Site) -> Launch:
    """Portkey's gateway; it has no keys of its own, the client's goes through to the provider named by
    headers.
    """
    port = free_port()
    requests = {
        kind: request(
            kind,
            {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"},
        )
        for kind, upstream in site.upstreams.items()
    }
    argv = ["node", str(PORTKEY), f"--port={port}", "--headless"]
    env = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "localhost,127.0.0.1"}
    return Launch(argv, dict.fromkeys(Kind, port), requests, env)


def _tool(name: str) -> Callable[[Options], Path]:
    return lambda options: Path(options.bin_dir) / name


def _nginx_binary(_: Options) -> Path:
    return Path("/usr/sbin/nginx")


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("nginx", _nginx(), _nginx_binary),
        Target("stand-in", _nginx(), _nginx_binary),  # nginx again: what the harness makes of equal targets
        Target(
            "nginx-anthropic",
            _nginx(Dialect.ANTHROPIC),
            _nginx_binary,
            client=Dialect.ANTHROPIC,
            provider=Dialect.ANTHROPIC,
            reference="nginx-anthropic",
        ),
        _native_target("native-anthropic", Dialect.ANTHROPIC, Dialect.ANTHROPIC),
        _native_target("native-chat-to-anthropic", Dialect.OPENAI, Dialect.ANTHROPIC),
        _native_target("native-anthropic-to-chat", Dialect.ANTHROPIC, Dialect.OPENAI),
        Target("native", _native(), _tool("fastgate")),
        Target("native-o200k", _native(Extra(tokenizer="o200k")), _tool("fastgate")),  # a vocabulary's memory
        Target("native-limits", _native(Extra(lines=limits_config())), _tool("fastgate")),
        Target("uvicorn", _uvicorn, _tool("fastgate")),
        Target("granian-asgi", _granian("asgi", lambda options: options.asgi_app), _tool("fastgate")),
        Target("granian-rsgi", _granian("rsgi", lambda options: options.rsgi_app), _tool("fastgate")),
        Target(
            "litellm",
            _litellm,
            lambda _: PEERS / "litellm" / "bin" / "litellm",
            exact=False,
            start_seconds=90,
        ),
        Target("portkey", _portkey, lambda _: PORTKEY, exact=False, start_seconds=30),
    )
}
