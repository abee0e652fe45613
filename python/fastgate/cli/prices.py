"""`fastgate prices`: what a model costs, and who says so."""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from fastgate._core import rates

if TYPE_CHECKING:  # types of the stub alone
    from fastgate._core import DatedRates, Rates


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("model", help="a model as a vendor names it; with --config a deployment id, too")
    parser.add_argument("--provider", help="vendor (default: the one that the model's name tells)")
    parser.add_argument("-c", "--config", metavar="FILE", help="let prices of this configuration win")
    parser.add_argument("--json", action="store_true", help="print JSON, in picodollars per token")


def run(arguments: argparse.Namespace) -> int:
    """Print the price; 1 if nobody knows it."""
    found = _find(arguments.model, arguments.provider, arguments.config)
    if found is None:
        at = f" at {arguments.provider}" if arguments.provider else ""
        print(f"no price is known for {arguments.model}{at}", file=sys.stderr)
        print("  name the vendor with --provider, or state the price: see docs/prices.md", file=sys.stderr)
        return 1
    if arguments.json:
        import json

        json.dump(found, sys.stdout, indent=2)
        print()
        return 0
    print(f"{found['model']} at {found['provider']}, from {found['source']}; USD per million tokens")
    for dated in [*found["prices"], *found["variants"]]:
        print("\n".join(_lines(dated)))
    return 0


def _find(model: str, provider: str | None, config: str | None) -> "Rates | None":
    if config is None:
        return rates(model, provider=provider)
    from fastgate.config import load
    from fastgate.config.findings import dotted

    settings = load(Path(config), os.environ).settings
    deployment = settings.deployments.get(model)
    names = (model, deployment.model) if deployment else (model,)
    vendor = deployment.provider if deployment else provider
    for name in names:
        if own := settings.prices.get(name):
            return _own(own.rates(), f"{config}: {dotted(('prices', name))}", names[-1], vendor)
    account = settings.providers.get(vendor or "")
    return rates(names[-1], provider=vendor, base_url=account.base_url if account else None)


def _own(card: dict[str, int], source: str, model: str, provider: str | None) -> "Rates":
    always: DatedRates = {
        "when": {},
        "from_unix_s": None,
        "daily_s": None,
        "rates": {meter: [(None, str(rate))] for meter, rate in card.items()},
        "other": [],
    }
    return {
        "source": source,
        "provider": provider or "any provider",
        "model": model,
        "prices": [always],
        "variants": [],
    }


def _lines(dated: "DatedRates") -> Iterator[str]:
    conditions = [f"{key} is {value}" for key, value in dated["when"].items()]
    if (start := dated["from_unix_s"]) is not None:
        conditions.append(f"from {datetime.fromtimestamp(start, UTC):%Y-%m-%d}")
    if (daily := dated["daily_s"]) is not None:
        conditions.append(
            "each day {} to {} UTC".format(*(f"{s // 3600:02}:{s // 60 % 60:02}" for s in daily))
        )
    if conditions:
        yield f"{', '.join(conditions)}:"
    for meter, steps in dated["rates"].items():
        amounts = [_usd(text, meter) + _above(tokens) for tokens, text in steps]
        yield f"  {meter:<17} {', '.join(amounts)}"
    if not dated["rates"] and not dated["other"]:
        yield "  the standard rates" if dated["when"] else "  free"
    if dated["other"]:
        yield f"  billed besides, and not counted: {', '.join(dated['other'])}"


def _usd(picodollars: str, meter: str) -> str:
    if meter == "request":
        return f"{Decimal(picodollars).scaleb(-12).normalize():f} a call"
    return usd_per_million_tokens(picodollars)


def usd_per_million_tokens(picodollars: str) -> str:
    """A rate in picodollars per token, as decimal text, in USD per million tokens."""
    return f"{Decimal(picodollars).scaleb(-6).normalize():f}"


def _above(tokens: int | None) -> str:
    return "" if tokens is None else f" above {tokens:,} input tokens"
