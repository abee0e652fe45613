"""What one setting requires of another: ids that must exist, addresses that need keys, values that exclude
each other.

Each check is a function over the whole settings; `check` runs them all, so that everything wrong is told at
once.
"""

import re

from fastgate.catalogue.vendors import vendor_with
from fastgate.config.addresses import is_loopback, is_trustworthy, points_at, split_address, split_url
from fastgate.config.catalogue_checks import check_catalogue
from fastgate.config.findings import Findings, Path, did_you_mean, dotted
from fastgate.config.limit_checks import check_limits
from fastgate.config.policies import check_policies
from fastgate.config.settings import DEFAULT_TENANT, Jwt, Key, Provider, Settings

KEYS_HINT = "add a key: fastgate keys create"
LEEWAY_MAX_MS = 300_000
REFRESH_MAX_MS = 86_400_000

_ID = re.compile(r"[!#-&(-~]{1,128}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# The gateway writes these itself, or they belong to one connection.
_RESERVED_HEADERS = {
    *("authorization", "connection", "content-length", "content-type", "host", "keep-alive"),
    *("proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"),
}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")


def check(settings: Settings, findings: Findings) -> None:
    """Note everything that does not hold between settings."""
    _check_ids(settings, findings)
    _check_server(settings, findings)
    for provider_id, provider in settings.providers.items():
        _check_provider(provider_id, provider, settings, findings)
    _check_deployments(settings, findings)
    check_policies(settings, findings)
    check_catalogue(settings, findings)
    _check_identities(settings, findings)
    _check_prices(settings, findings)
    _check_revenue(settings, findings)
    for index, issuer in enumerate(settings.auth.jwt):
        _check_issuer(("auth", "jwt", index), issuer, settings, findings)
    check_limits(settings, findings)


def _check_ids(settings: Settings, findings: Findings) -> None:
    for section in ("providers", "deployments", "groups", "models", "tiers", "tenants", "drills"):
        for name in getattr(settings, section):
            if not _ID.fullmatch(name):
                findings.add(
                    (section, name),
                    "an id must be 1 to 128 visible ASCII characters without blanks and quotes",
                )
            elif section == "providers" and "/" in name:
                findings.add(
                    (section, name), "a provider's id must not contain /", "clients send provider/model"
                )
    for name in settings.groups.keys() & settings.deployments.keys():
        findings.add(
            ("groups", name), "a deployment has the same id, so `use` would be ambiguous", "rename one"
        )


def _check_files_provider(settings: Settings, findings: Findings) -> None:
    name, place = settings.server.files_provider, ("server", "files_provider")
    if name is None:
        return
    if name not in settings.providers:
        hint = did_you_mean(name, settings.providers)
        findings.add(place, "no such provider", hint or "add it to [providers]")
    elif settings.providers[name].dialect != "openai":
        findings.add(place, "only providers of the dialect openai keep files and batches")


def _check_server(settings: Settings, findings: Findings) -> None:
    server = settings.server
    if split_address(server.listen) is None:
        findings.add(("server", "listen"), 'must be host:port, as "127.0.0.1:8080" or "[::1]:8080"')
    elif settings.is_keyless and not is_loopback(server.listen):
        findings.add(
            ("server", "listen"), "listening beyond loopback needs [[keys]] or [auth.jwt]", KEYS_HINT
        )
    if server.admin != "off":
        if split_address(server.admin) is None:
            findings.add(("server", "admin"), 'must be host:port, as "127.0.0.1:8081", or "off"')
        elif not is_loopback(server.admin) and not settings.admin.tokens:
            findings.add(
                ("server", "admin"),
                "listening beyond loopback needs [[admin.tokens]]",
                "add a token: fastgate keys create --admin",
            )
        elif server.admin == server.listen and not server.admin.endswith(":0"):
            findings.add(("server", "admin"), "must differ from server.listen")
    _check_files_provider(settings, findings)
    for index, host in enumerate(server.allowed_hosts or ()):
        if split_address(f"{host}:1") is None:
            findings.add(("server", "allowed_hosts", index), "must be a host name or address without port")
    for index, origin in enumerate(server.allowed_origins):
        if origin == "*" and not settings.keys:
            findings.add(
                ("server", "allowed_origins", index), "* without [[keys]] would let every web page in"
            )
        elif origin != "*" and not _ORIGIN.fullmatch(origin):
            findings.add(
                ("server", "allowed_origins", index),
                "must be scheme://host[:port], as https://app.example.com",
            )


def _check_provider(provider_id: str, provider: Provider, settings: Settings, findings: Findings) -> None:
    path = ("providers", provider_id)
    if split_url(provider.base_url) is None:
        findings.add(
            (*path, "base_url"), "must be a plain http:// or https:// URL without user, query or fragment"
        )
    elif points_at(provider.base_url, settings.server.listen):
        findings.add((*path, "base_url"), "points at this gateway itself", "name the vendor's address")
    vendor = vendor_with(provider.base_url)
    if vendor is not None and not vendor.keyless and not provider.api_key and not provider.headers:
        variables = " or ".join(vendor.environment)
        findings.add(path, "needs an api_key", f"or set the environment variable {variables}")
    if provider.proxy is not None:
        parts = split_url(provider.proxy)
        if parts is None or parts[0] != "http" or provider.proxy.rstrip("/").count("/") > 2:
            findings.add((*path, "proxy"), "must be http://host:port without user and path")
    for name in provider.headers:
        if not _HEADER_NAME.fullmatch(name):
            findings.add((*path, "headers", name), "is not a header name")
        elif name.lower() in _RESERVED_HEADERS:
            hint = "use api_key" if name.lower() == "authorization" else None
            findings.add((*path, "headers", name), "is written by the gateway itself", hint)
    lowered = [name.lower() for name in provider.headers]
    if len(set(lowered)) < len(lowered):
        findings.add((*path, "headers"), "the same header twice")


def _check_deployments(settings: Settings, findings: Findings) -> None:
    for deployment_id, deployment in settings.deployments.items():
        path = ("deployments", deployment_id)
        if deployment.provider not in settings.providers:
            hint = did_you_mean(deployment.provider, settings.providers)
            findings.add((*path, "provider"), "no such provider", hint or "add it to [providers]")
        timeout = deployment.timeout
        if timeout.total is not None and timeout.total < timeout.first_content:
            findings.add((*path, "timeout"), "total must not be shorter than first_content")
        window, longest = deployment.context_tokens, deployment.output_tokens
        if window is not None and longest is not None and longest > window:
            findings.add((*path, "output_tokens"), "must not be larger than context_tokens")


def _check_identities(settings: Settings, findings: Findings) -> None:
    for tenant_id, tenant in settings.tenants.items():
        if tenant.tier is not None and tenant.tier not in settings.tiers:
            hint = did_you_mean(tenant.tier, settings.tiers) or "add it to [tiers]"
            findings.add(("tenants", tenant_id, "tier"), "no such tier", hint)
    owners: dict[str, Path] = {}
    for index, key in enumerate(settings.keys):
        path: Path = ("keys", index)
        if key.tenant != DEFAULT_TENANT and key.tenant not in settings.tenants:
            hint = did_you_mean(key.tenant, settings.tenants) or "add it to [tenants]"
            findings.add((*path, "tenant"), "no such tenant", hint)
        _check_allowed(path, key, settings, findings)
        _check_digest(path, key.digest, owners, findings)
    for index, token in enumerate(settings.admin.tokens):
        _check_digest(("admin", "tokens", index), token.digest, owners, findings)


def _check_allowed(path: Path, key: Key, settings: Settings, findings: Findings) -> None:
    served = {deployment.provider for deployment in settings.deployments.values()}
    known = settings.deployments.keys() | (settings.providers.keys() - served)
    for index, name in enumerate(key.deployments or ()):
        if name not in known:
            findings.add((*path, "deployments", index), "no such deployment", did_you_mean(name, known))


def _check_digest(path: Path, digest: str, owners: dict[str, Path], findings: Findings) -> None:
    first = owners.setdefault(digest.lower(), path)
    if first != path:
        hint = "a token for the admin listener is no key" if first[0] != path[0] else None
        findings.add((*path, "digest"), f"the same digest as {dotted(first)}", hint)


def _check_prices(settings: Settings, findings: Findings) -> None:
    """Note prices of nothing: a misspelt name would silently leave the public price in force."""
    served = {deployment.provider for deployment in settings.deployments.values()}
    if settings.providers.keys() - served:
        return  # an open provider serves any name
    names = settings.deployments.keys() | {deployment.model for deployment in settings.deployments.values()}
    for name in settings.prices.keys() - names:
        findings.add(("prices", name), "no such deployment or model", did_you_mean(name, names))


def _check_revenue(settings: Settings, findings: Findings) -> None:
    tenants = [DEFAULT_TENANT, *settings.tenants]
    seen: dict[tuple[str | None, ...], int] = {}
    for index, entry in enumerate(settings.billing.revenue):
        path = ("billing", "revenue", index)
        if len(entry.prices) != 1:
            said = "names several amounts" if entry.prices else "names no amount"
            findings.add(path, said, "needs one, as usd_per_request")
            continue
        if entry.tenant is not None and entry.tenant not in tenants:
            findings.add((*path, "tenant"), "no such tenant", did_you_mean(entry.tenant, tenants))
        first = seen.setdefault((entry.feature, entry.tenant, entry.model, entry.unit), index)
        if first != index:
            findings.add(path, f"the same as billing.revenue[{first}], with another amount or the same")


def _check_issuer(path: Path, issuer: Jwt, settings: Settings, findings: Findings) -> None:
    index = path[-1]
    assert isinstance(index, int)
    if any(other.issuer == issuer.issuer for other in settings.auth.jwt[:index]):
        findings.add((*path, "issuer"), "the same issuer twice")
    if issuer.jwks is None and not is_trustworthy(issuer.issuer):
        findings.add((*path, "jwks"), "is required", "the issuer is no https:// URL that could be asked")
    elif issuer.jwks is not None and "://" in issuer.jwks and not is_trustworthy(issuer.jwks):
        findings.add((*path, "jwks"), "must be an https:// URL, a plain one on loopback, or a file")
    if issuer.leeway % 1000 or issuer.leeway > LEEWAY_MAX_MS:
        findings.add((*path, "leeway"), "must be between 1s and 5m, in whole seconds")
    if not 1000 <= issuer.refresh <= REFRESH_MAX_MS:
        findings.add((*path, "refresh"), "must be between 1s and 1d")
    if issuer.claims.tenant is None and issuer.default_tenant is None:
        findings.add(path, "says nothing about who pays", "set claims.tenant, default_tenant, or both")
    known = {DEFAULT_TENANT, *settings.tenants}
    named = [((*path, "tenants", value), tenant) for value, tenant in issuer.tenants.items()]
    if issuer.default_tenant is not None:
        named.append(((*path, "default_tenant"), issuer.default_tenant))
    for at, tenant in named:
        if tenant not in known:
            hint = did_you_mean(tenant, settings.tenants) or "add it to [tenants]"
            findings.add(at, "no such tenant", hint)
