"""Proxies on the way to providers, by the engine's rules."""

import os
import urllib.parse
import urllib.request

from fastgate.config.addresses import is_loopback, split_url
from fastgate.config.settings import Provider
from fastgate.doctor.findings import Finding, fail, ok


def check_proxies() -> list[Finding]:
    """The environment's proxies, which the engine obeys for https:// providers."""
    found = []
    for variable in ("HTTPS_PROXY", "ALL_PROXY"):
        value = os.environ.get(variable.lower()) or os.environ.get(variable)
        if not value:
            continue
        parts = urllib.parse.urlsplit(value if "://" in value else f"http://{value}")
        if parts.scheme != "http" or not parts.hostname:
            advice = "write it as http://host:port; providers with https:// are reached by CONNECT"
            found.append(fail("proxy", variable, "is no http:// address", advice))
            continue
        place = f"{parts.hostname}:{parts.port or 80}"
        found.append(
            ok("proxy", variable, f"https:// providers are reached through {place}, but for NO_PROXY")
        )
    return found


def proxy_of(provider: Provider) -> str | None:
    """The proxy on the way to a provider: its own, else the environment's for https:// beyond loopback."""
    if provider.proxy:
        return provider.proxy
    parts = split_url(provider.base_url)
    if parts is None or parts[0] != "https" or is_loopback(f"{parts[1]}:{parts[2]}"):
        return None
    proxies = urllib.request.getproxies_environment()
    if urllib.request.proxy_bypass(parts[1]):
        return None
    return proxies.get("https") or proxies.get("all")
