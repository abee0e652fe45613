"""Vendors known by name (`vendors.toml`): how each is reached, and how it differs from its dialect.

Only data and what follows from it.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from fastgate import _core

# What the engine speaks: `ProviderDialect` of rust/core/src/tables/deployments.rs.
Dialect: TypeAlias = Literal["openai", "anthropic", "gemini"]


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `vendors.toml` says about one vendor; its head says what each field means."""

    base_url: str
    dialect: Dialect = "openai"
    auth_header: str = "authorization"
    headers: dict[str, str] = {}
    environment: tuple[str, ...] = ()
    base_url_environment: str | None = None
    base_url_path: str | None = None
    automatic: bool = True
    keyless: bool = False
    prefixes: tuple[str, ...] = ()
    responses: bool = False
    stream_usage: bool = True
    refuses: tuple[str, ...] = ()
    renames: dict[str, str] = {}
    usage: str | None = None

    def key_in(self, environment: Mapping[str, str]) -> str | None:
        """The key, from the first of its variables that is set."""
        return next((environment[name] for name in self.environment if environment.get(name)), None)

    def replaced_base_url_in(self, environment: Mapping[str, str]) -> str | None:
        """What the variable that its own SDK reads puts in the place of the base URL."""
        value = environment.get(self.base_url_environment) if self.base_url_environment else None
        if not value or self.base_url_path is None:
            return value or None
        is_url = value.startswith(("http://", "https://"))
        return value.rstrip("/") + self.base_url_path if is_url else None

    def is_meant_by(self, environment: Mapping[str, str]) -> bool:
        """Whether the environment alone asks for it: by its key, or by an address of its own."""
        if self.replaced_base_url_in(environment):
            return True
        return self.automatic and not self.keyless and self.key_in(environment) is not None


@cache
def vendors() -> dict[str, Vendor]:
    """Every vendor by name."""
    return read_vendors(Path(__file__).with_name("vendors.toml").read_text(encoding="utf-8"))


def read_vendors(text: str) -> dict[str, Vendor]:
    """The vendors of a text in the form of `vendors.toml`.

    Raises:
        msgspec.ValidationError: A field is unknown, missing or of the wrong type.
    """
    values, _ = _core.read_toml(text)
    return msgspec.convert(values, dict[str, Vendor])


def from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Settings of the providers that the environment asks for."""
    return {
        name: settings_of(vendor, environment)
        for name, vendor in vendors().items()
        if vendor.is_meant_by(environment)
    }


def settings_of(vendor: Vendor, environment: Mapping[str, str]) -> dict[str, Any]:
    """What `[providers.<vendor>]` means when it says nothing more."""
    base_url = vendor.replaced_base_url_in(environment) or vendor.base_url
    settings: dict[str, Any] = {"dialect": vendor.dialect, "base_url": base_url}
    if not vendor.stream_usage:
        settings["stream_usage"] = False
    if key := vendor.key_in(environment):
        settings["api_key"] = key
    return settings


def vendor_with(base_url: str) -> Vendor | None:
    """The vendor whose own address this is."""
    return next((vendor for vendor in vendors().values() if vendor.base_url == base_url.rstrip("/")), None)


def prefixes_of(provider_id: str, base_url: str) -> tuple[str, ...]:
    """Beginnings of the bare names that are this provider's own: by its name, else by the vendor's
    address."""
    known = vendors()
    if provider_id in known:
        return known[provider_id].prefixes
    vendor = vendor_with(base_url)
    return vendor.prefixes if vendor else ()
