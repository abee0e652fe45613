"""`fastgate models`: what the gateway serves, what those models can do and cost, and who says so."""

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from fastgate.errors import FastgateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastgate.catalogue.models import Listing
    from fastgate.config import Config
    from fastgate.config.names import OpenProvider


class UnknownModel(FastgateError):
    """Nothing has the name that was asked for."""

    code = "model_not_found"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("name", nargs="*", help="only these, in detail: names that clients may ask for")
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration (default: fastgate.toml)")
    parser.add_argument("--provider", metavar="P", help="only this provider's; with --all a vendor's")
    parser.add_argument("--all", action="store_true", help="the whole catalogue, without a configuration")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the models; 1 if a name is not known."""
    from fastgate.cli import models_text

    now_unix_s = int(time.time())
    if arguments.all:
        document = catalogue(arguments.name, arguments.provider, now_unix_s)
    else:
        from fastgate.config import load, locate

        config = load(locate(arguments.config, os.environ), os.environ)
        document = served(config, arguments.name, arguments.provider, now_unix_s)
    if arguments.json:
        import json

        json.dump(document, sys.stdout, indent=2)
        print()
        return 0
    from fastgate.cli.terminal import Style, width_of

    style = Style(sys.stdout, os.environ)
    if arguments.name:
        print(models_text.details(document, style))
    else:
        print(models_text.overview(document, style, width_of(sys.stdout)))
    return 0


def served(config: "Config", names: list[str], provider: str | None, now_unix_s: int) -> dict[str, Any]:
    """What a configuration serves: its deployments, and the names that lead to them.

    Raises:
        UnknownModel: No such name or provider.
    """
    from fastgate.cli.model_rows import row

    settings = config.settings
    if provider is not None and provider not in settings.providers:
        raise _unknown("no such provider", provider, settings.providers)
    leads = {name: sorted(route.deployments) for name, route in config.routes.items() if not config.mock}
    rows = {
        name: row(
            settings,
            name,
            provider=item.provider,
            model=item.model,
            deployment=item,
            now_unix_s=now_unix_s,
        )
        for name, item in settings.deployments.items()
        if provider in (None, item.provider)
    }
    opened = [item for item in config.open_providers if provider in (None, item.provider)]
    if names:
        wanted = dict[str, list[str]]()
        for name in names:
            wanted[name] = [target for target in leads.get(name, ()) if target in rows]
            if not wanted[name] and (found := _open(opened, name)):
                owner, model = found
                rows[name] = row(
                    settings, name, provider=owner, model=model, deployment=None, now_unix_s=now_unix_s
                )
                wanted[name] = [name]
            if not wanted[name]:
                raise _unknown("no such model", name, leads)
        leads, opened = wanted, []
        rows = {target: rows[target] for targets in wanted.values() for target in targets}
    shown = [
        {"name": name, "deployments": kept}
        for name, targets in sorted(leads.items())
        if (kept := [target for target in targets if target in rows])
    ]
    return {
        "models": list(rows.values()),
        "names": shown,
        "open_providers": [
            {"provider": item.provider, "prefixes": list(item.prefixes), "any": item.any} for item in opened
        ],
    }


def catalogue(names: list[str], provider: str | None, now_unix_s: int) -> dict[str, Any]:
    """Every model that the catalogue knows, or those of one vendor, or these.

    Raises:
        UnknownModel: No such name or vendor.
    """
    from fastgate.catalogue.models import catalogue_models
    from fastgate.cli.model_rows import listed_row

    known = catalogue_models()
    if provider is not None:
        known = {
            vendor: listing for vendor, listing in known.items() if provider in (vendor, listing.package)
        }
        if not known:
            raise _unknown("no such vendor", provider, catalogue_models())
    pairs = [(vendor, model) for vendor, listing in known.items() for model in listing.models]
    if names:
        pairs = [pair for name in names for pair in _named(name, pairs, known)]
    rows = [
        listed_row(vendor, known[vendor].package, model, now_unix_s=now_unix_s) for vendor, model in pairs
    ]
    return {"models": rows, "names": [], "open_providers": []}


def _named(name: str, pairs: list[tuple[str, str]], known: "Mapping[str, Listing]") -> list[tuple[str, str]]:
    """Vendors' models of this name; a version of a model need not be listed."""
    from fastgate._core import rates
    from fastgate.catalogue.models import facts_of

    if found := [pair for pair in pairs if pair[1].lower() == name.lower()]:
        return found
    for vendor, listing in known.items():
        if facts_of(vendor, name) is not None or rates(name, provider=listing.package) is not None:
            found.append((vendor, name))
    if not found:
        raise _unknown("no such model", name, {model for _, model in pairs})
    return found


def _open(opened: "Iterable[OpenProvider]", name: str) -> tuple[str, str] | None:
    """Provider and model that a name means which nobody configured."""
    qualifier, slash, rest = name.partition("/")
    for item in opened:
        if slash and qualifier == item.provider and rest:
            return item.provider, rest
    return next(
        ((item.provider, name) for item in opened if item.any or name.startswith(item.prefixes)), None
    )


def _unknown(message: str, name: str, known: Any) -> UnknownModel:
    from fastgate.config.findings import hinted

    return UnknownModel(hinted(f"{message}: {name}", name, known))
