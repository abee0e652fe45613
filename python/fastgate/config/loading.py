"""From a file, or none, to a checked configuration.

Without `[providers]` those of the usual environment variables are used, and without any the built-in mock
provider, on loopback only.
"""

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

import msgspec

from fastgate.catalogue.vendors import from_environment, settings_of, vendors
from fastgate.config.addresses import is_loopback
from fastgate.config.findings import Document, Findings, Path, did_you_mean
from fastgate.config.limit_checks import check_conditions, check_downgrades
from fastgate.config.names import OpenProvider, Route, check_allowed, open_providers, routes
from fastgate.config.read import fill_in, read_file, read_text
from fastgate.config.references import check
from fastgate.config.settings import ENCODINGS, Settings
from fastgate.config.structure import build

DEFAULT_FILES = ("fastgate.toml", "fastgate.yaml", "fastgate.yml")
MOCK = "mock"


class Config(msgspec.Struct, frozen=True):
    """A configuration in which everything holds together. Its repr shows no secrets."""

    settings: Settings
    file: FilePath | None
    mock: bool
    open_providers: tuple[OpenProvider, ...]
    routes: dict[str, Route]
    source: Document
    """Where each setting stands; its values are left out."""

    def resolve(self, path: str) -> str:
        """A path in the settings: relative ones start at the configuration file's folder."""
        return resolve(path, self.file)


def locate(argument: str | None, environment: Mapping[str, str]) -> FilePath | None:
    """The file to use: the one asked for, that of `FASTGATE_CONFIG`, or `fastgate.toml` in the working
    directory."""
    if chosen := argument or environment.get("FASTGATE_CONFIG"):
        return FilePath(chosen)
    return next((FilePath(name) for name in DEFAULT_FILES if FilePath(name).is_file()), None)


def load(file: FilePath | None, environment: Mapping[str, str], *, listen: str | None = None) -> Config:
    """Read and check a configuration. `listen` replaces `server.listen`.

    Raises:
        ConfigError: What is wrong, with file and line; ConfigErrors if it is several things.
    """
    document = read_file(file) if file else Document(None, {}, {})
    return _check(document, file, environment, listen)


def load_text(
    text: str, environment: Mapping[str, str], *, file: str = "fastgate.toml", yaml: bool = False
) -> Config:
    """The same for a text; `file` is the name that errors show.

    Raises:
        ConfigError: As `load`.
    """
    return _check(read_text(text, file=file, yaml=yaml), FilePath(file), environment, None)


def load_values(
    values: Mapping[str, Any], environment: Mapping[str, str], *, listen: str | None = None
) -> Config:
    """The same for settings that are plain values already: mappings, sequences, text, numbers.

    Raises:
        ConfigError: As `load`, without lines.
    """
    return _check(Document(None, _plain(values), {}), None, environment, listen)


def _plain(value: Any) -> Any:
    """The value as a reader of files would give it: a float is the decimal that Python shows for it."""
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return Decimal(repr(value)) if isinstance(value, float) else value


def _check(
    document: Document, file: FilePath | None, environment: Mapping[str, str], listen: str | None
) -> Config:
    findings = Findings(document)
    filled = fill_in(document, environment, findings)
    findings.raise_any()
    values, mock = _complete(filled.values, environment, listen)
    _note_unknown_vendors(values, findings)
    settings = build(Settings, values, findings)
    check(settings, findings)
    _check_files(settings, file, findings)
    if mock and not is_loopback(settings.server.listen):
        findings.add(
            ("server", "listen"),
            "no provider is configured, and the built-in mock provider serves loopback only",
            "add [providers.openai], or set OPENAI_API_KEY",
        )
    findings.raise_any()
    opened = open_providers(settings, findings)
    resolved = routes(settings, opened, findings)
    check_downgrades(settings, resolved, findings)
    if not opened:
        check_allowed(settings, resolved, findings)
        check_conditions(settings, resolved, findings)
    findings.raise_any()
    return Config(settings, file, mock, opened, resolved, Document(document.file, {}, document.lines))


def _check_files(settings: Settings, file: FilePath | None, findings: Findings) -> None:
    """Note files that can't be read, while their line is still known."""
    named: list[tuple[Path, str | None]] = [
        (("providers", name, "ca_file"), provider.ca_file) for name, provider in settings.providers.items()
    ]
    named += [
        (("deployments", name, "tokenizer"), deployment.tokenizer)
        for name, deployment in settings.deployments.items()
        if deployment.tokenizer not in ENCODINGS
    ]
    if tls := settings.server.tls:
        named += [(("server", "tls", "certificate"), tls.certificate), (("server", "tls", "key"), tls.key)]
    for index, issuer in enumerate(settings.auth.jwt):
        named.append((("auth", "jwt", index, "ca_file"), issuer.ca_file))
        if issuer.jwks is not None and "://" not in issuer.jwks:
            named.append((("auth", "jwt", index, "jwks"), issuer.jwks))
    for path, name in named:
        if name is not None and not os.access(resolve(name, file), os.R_OK):
            findings.add(path, "can't be read", f"looked for {resolve(name, file)}")


def resolve(path: str, file: FilePath | None) -> str:
    """A path in the settings: relative ones start at the configuration file's folder."""
    return str(file.parent / path) if file else path


def _complete(
    values: dict[str, Any], environment: Mapping[str, str], listen: str | None
) -> tuple[dict[str, Any], bool]:
    """Values with what the environment and the vendors' table add, and whether only the mock is left."""
    completed = dict(values)
    server = values.get("server", {})
    if listen is not None and isinstance(server, dict):
        completed["server"] = {**server, "listen": listen}
    mock = False
    providers = values.get("providers")
    if not providers:
        providers = from_environment(environment)
        mock = not providers
        # Its address is known once it runs: compile_tables fills it in.
        completed["providers"] = providers or {MOCK: {"base_url": "http://127.0.0.1:9"}}
    elif isinstance(providers, dict):
        completed["providers"] = {
            name: _with_vendor(name, provider, environment) for name, provider in providers.items()
        }
    return completed, mock


def _with_vendor(name: str, provider: Any, environment: Mapping[str, str]) -> Any:
    vendor = vendors().get(name)
    # An own base_url may be anyone's: the vendor's key is never sent there.
    if vendor is None or not isinstance(provider, dict) or "base_url" in provider:
        return provider
    # The vendor's address speaks the vendor's dialect only.
    if provider.get("dialect", vendor.dialect) != vendor.dialect:
        return provider
    return {**settings_of(vendor, environment), **provider}


def _note_unknown_vendors(values: dict[str, Any], findings: Findings) -> None:
    """Note names that look like a vendor's misspelt; without a base_url they are used nowhere else."""
    providers = values.get("providers")
    for name, provider in providers.items() if isinstance(providers, dict) else ():
        if isinstance(provider, dict) and "base_url" not in provider and name not in vendors():
            hint = did_you_mean(name, vendors())
            if hint is not None:
                findings.add(("providers", name), "no vendor of this name is known", hint)
