"""Vendors known by name: base URLs, environment variables and the beginnings of their model names
(`vendors.toml`)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from fastgate import _core


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `vendors.toml` says about one vendor."""

    base_url: str
    environment: str
    prefixes: tuple[str, ...]
    base_url_environment: str | None = None
    stream_usage: bool = True

    def base_url_in(self, environment: Mapping[str, str]) -> str:
        """The vendor's base URL, or what the variable its own SDK reads puts in its place."""
        replaced = environment.get(self.base_url_environment) if self.base_url_environment else None
        return replaced or self.base_url


@cache
def vendors() -> dict[str, Vendor]:
    """Every vendor by name."""
    values, _ = _core.read_toml(Path(__file__).with_name("vendors.toml").read_text(encoding="utf-8"))
    return msgspec.convert(values, dict[str, Vendor])


def from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Settings of the providers whose key, or replaced base URL, is in the environment."""
    found = {}
    for name, vendor in vendors().items():
        replaced = vendor.base_url_environment and environment.get(vendor.base_url_environment)
        if environment.get(vendor.environment) or replaced:
            found[name] = settings_of(vendor, environment)
    return found


def settings_of(vendor: Vendor, environment: Mapping[str, str]) -> dict[str, Any]:
    """What `[providers.<vendor>]` means when it says nothing more."""
    settings: dict[str, Any] = {"dialect": "openai", "base_url": vendor.base_url_in(environment)}
    if not vendor.stream_usage:
        settings["stream_usage"] = False
    if key := environment.get(vendor.environment):
        settings["api_key"] = key
    return settings


def prefixes_of(provider_id: str, base_url: str) -> tuple[str, ...]:
    """Beginnings of the bare names that are this provider's own: by its name, else by the vendor's
    address."""
    known = vendors()
    if provider_id in known:
        return known[provider_id].prefixes
    return next((vendor.prefixes for vendor in known.values() if vendor.base_url == base_url), ())
