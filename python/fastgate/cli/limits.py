"""`fastgate limits`: how limits of a running gateway stand, and raises of them (docs/limits.md)."""

import argparse
import json
from typing import Any

from fastgate.cli import admin_client
from fastgate.cli.admin_client import AdminClient
from fastgate.cli.times import length
from fastgate.config.limit_rules import SCOPES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    show = actions.add_parser("show", help="how much is used and left, what is used up most first")
    show.add_argument("--rule", metavar="NAME", help="only this limit")
    show.add_argument(
        "--limit", type=int, default=20, metavar="N", help="at most so many counts (default: %(default)s)"
    )
    start = actions.add_parser("raise", help="a larger amount of a limit, for a while")
    start.add_argument("rule", metavar="RULE", help='the limit\'s name, as "tenant acme: usd per month"')
    start.add_argument("--to", required=True, metavar="AMOUNT", help="the larger amount; USD where it is one")
    start.add_argument(
        "--for",
        required=True,
        dest="length",
        type=length,
        metavar="TIME",
        help='how long: "2h", at most 31d',
    )
    end = actions.add_parser("end", help="end a raise before its time")
    end.add_argument("id", metavar="ID")
    raises = actions.add_parser("raises", help="raises in force, and those that are over")
    for action in (show, start):
        for scope in SCOPES:
            action.add_argument(f"--{scope}", metavar="NAME", help=f"only the count of this {scope}")
    for action in (show, raises):
        action.add_argument("--json", action="store_true", help="print JSON")
    for action in (show, start, end, raises):
        admin_client.configure(action)


def run(arguments: argparse.Namespace) -> int:
    """Ask the gateway and print what it says."""
    from fastgate.cli import limits_text

    client = AdminClient.from_arguments(arguments)
    identity: dict[str, str] = {
        scope: name for scope in SCOPES if (name := getattr(arguments, scope, None)) is not None
    }
    if arguments.action == "raise":
        asked: dict[str, Any] = {"rule": arguments.rule, "to": arguments.to, "for": arguments.length}
        if identity:
            asked["identity"] = identity
        _, told = client.ask("POST", "limits", "raises", body=asked)
        print(limits_text.raise_line(told["raise"]))
        print(f"end it: fastgate limits end {told['raise']['id']}")
    elif arguments.action == "end":
        _, told = client.ask("DELETE", "limits", "raises", arguments.id)
        print(f"{told['raise']['id']}: {told['raise']['why']}")
    elif arguments.action == "raises":
        _, told = client.ask("GET", "limits", "raises")
        print(json.dumps(told["raises"], indent=2) if arguments.json else limits_text.raises(told["raises"]))
    else:
        query: dict[str, str] = {"limit": str(arguments.limit)}
        query |= identity
        if arguments.rule is not None:
            query["rule"] = arguments.rule
        _, told = client.ask("GET", "limits", query=query)
        print(json.dumps(told, indent=2) if arguments.json else limits_text.standings(told["limits"]))
    return 0
