"""The configuration: whether it can be used, and what in it will be regretted."""

from collections.abc import Mapping
from pathlib import Path

from fastgate import _core
from fastgate.config import Config, compile_tables, load
from fastgate.config.addresses import is_loopback, is_trustworthy
from fastgate.doctor.findings import Finding, fail, ok, warn
from fastgate.errors import ConfigError, ConfigErrors

CHECK = "config"
EXPIRES_SOON_S = 14 * 86_400


def check_configuration(
    file: Path | None, environment: Mapping[str, str], now_unix_s: float
) -> tuple[Config | None, list[Finding]]:
    """The configuration, unless it can't be used, and what there is to say about it."""
    subject = str(file) if file else ""
    try:
        config = load(file, environment)
        _core.check_tables(compile_tables(config, mock_address="127.0.0.1:9" if config.mock else None))
    except ConfigError as error:
        errors = error.errors if isinstance(error, ConfigErrors) else (error,)
        return None, [
            fail(
                CHECK, subject, _without_file(each), each.hint or "correct it; fastgate check tells the rest"
            )
            for each in errors
        ]
    except ValueError as error:
        return None, [fail(CHECK, subject, str(error), "correct it")]
    return config, [_summary(config, subject), *_warnings(config, subject, now_unix_s)]


def _without_file(error: ConfigError) -> str:
    place = f"line {error.line}: " if error.line else ""
    return f"{place}{error.path}: {error.message}" if error.path else f"{place}{error.message}"


def _summary(config: Config, subject: str) -> Finding:
    if config.mock:
        return warn(
            CHECK,
            subject,
            "no provider is configured: the built-in mock answers",
            "set OPENAI_API_KEY or another vendor's key, or write a file: fastgate init",
        )
    settings = config.settings
    source = "" if config.file else "no file, providers from the environment: "
    return ok(
        CHECK,
        subject,
        f"{source}{len(settings.providers)} providers, {len(settings.deployments)} deployments, "
        f"{len(settings.keys)} keys, {len(settings.auth.jwt)} token issuers",
    )


def _warnings(config: Config, subject: str, now_unix_s: float) -> list[Finding]:
    settings = config.settings
    found = []
    for name, provider in settings.providers.items():
        if provider.api_key and not is_trustworthy(provider.base_url):
            advice = f"use https:// in providers.{name}.base_url"
            found.append(warn(CHECK, subject, f"{name}'s API key travels unencrypted", advice))
    if not is_loopback(settings.server.listen) and settings.server.tls is None:
        found.append(
            warn(
                CHECK,
                subject,
                f"{settings.server.listen} serves plain HTTP beyond this machine",
                "keys and prompts can be read on the way: set [server.tls], or put a TLS proxy before it",
            )
        )
    for index, key in enumerate(settings.keys):
        name = key.name or f"keys[{index}]"
        if key.expires is None:
            continue
        if key.expires <= now_unix_s:
            found.append(warn(CHECK, subject, f"key {name} has expired", "delete it, or replace it"))
        elif key.expires <= now_unix_s + EXPIRES_SOON_S:
            days = int((key.expires - now_unix_s) // 86_400)
            advice = "give its owner a new one: fastgate keys create"
            found.append(warn(CHECK, subject, f"key {name} expires in {days} days", advice))
    return found
