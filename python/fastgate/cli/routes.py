"""`fastgate routes explain`: where a request would go, and why not elsewhere.

From the configuration alone, as if every provider were well; with `--live` by the running gateway, which
knows how they are.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastgate.cli import admin_client
from fastgate.cli.admin_client import AdminClient
from fastgate.cli.columns import table
from fastgate.errors import FastgateError

if TYPE_CHECKING:
    from fastgate.config import Config

# What a request's headers may say, and a key fix.
SAID = ("user", "feature", "session", "region", "latency", "cost_class")


# Fewer hex digits would fit too many keys.
SHORTEST_DIGEST = 12

LEADS_TO = {
    "table": "an entry of the configuration",
    "open_provider": "a provider that serves names nobody configured",
    "nothing": "nothing serves this name",
}
OUTCOMES = {
    "taken": "taken",
    "also_matches": "matches too, but comes later",
    "does_not_match": "does not match",
}


class RequestUnreadable(FastgateError):
    """The request to explain can't be read."""

    code = "request_unreadable"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    explain = actions.add_parser("explain", help="where a request would go, and why not elsewhere")
    explain.add_argument("request", metavar="REQUEST.json", help="a request's body; - reads standard input")
    who = explain.add_mutually_exclusive_group()
    who.add_argument("--tenant", metavar="ID", help="as this tenant (default: that of --key, else default)")
    who.add_argument(
        "--key", metavar="KEY", help="as who holds this key: its name in the configuration, or its digest"
    )
    for name in SAID:
        option = name.replace("_", "-")
        explain.add_argument(f"--{option}", metavar=name.upper(), help=f"as if x-fastgate-{option} said so")
    explain.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="a further header; may be repeated",
    )
    explain.add_argument("--live", action="store_true", help="ask the running gateway")
    explain.add_argument("--json", action="store_true", help="print JSON")
    admin_client.configure(explain)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation; 1 if the request has no route."""
    asking: dict[str, Any] = {
        "request": read_request(arguments.request),
        "headers": dict(read_header(header) for header in arguments.header),
    }
    for name in ("tenant", *SAID):
        if (value := getattr(arguments, name)) is not None:
            asking[name] = value
    explanation = _live(arguments, asking) if arguments.live else _offline(arguments, asking)
    print(json.dumps(explanation, indent=2) if arguments.json else explanation_text(explanation))
    return 1 if explanation["error"] else 0


def read_request(name: str) -> Any:
    """A request's body from a file, or from standard input.

    Raises:
        RequestUnreadable: It is not there, or no JSON object.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestUnreadable(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    try:
        request = json.loads(text)
    except ValueError as error:
        raise RequestUnreadable(f"{name}: no JSON: {error}") from None
    if not isinstance(request, dict):
        raise RequestUnreadable(f"{name}: must be a JSON object, as the body of a chat completion")
    return request


def read_header(text: str) -> tuple[str, str]:
    """Name and value of `NAME:VALUE`.

    Raises:
        RequestUnreadable: It has no colon.
    """
    name, colon, value = text.partition(":")
    if not colon:
        raise RequestUnreadable(f"--header: must be NAME:VALUE, not {text}")
    return name.strip().lower(), value.strip()


def _offline(arguments: argparse.Namespace, asking: dict[str, Any]) -> Any:
    from fastgate import _core
    from fastgate.config import compile_tables

    config = _config(arguments)
    _add_key(asking, arguments.key, config)
    try:
        return json.loads(_core.explain_route(compile_tables(config), json.dumps(asking).encode()))
    except ValueError as error:
        raise RequestUnreadable(str(error)) from None


def _live(arguments: argparse.Namespace, asking: dict[str, Any]) -> Any:
    if arguments.key is not None:
        _add_key(asking, arguments.key, _config(arguments))
    return AdminClient.from_arguments(arguments).ask("POST", "routes", "explain", body=asking)[1]


def _config(arguments: argparse.Namespace) -> "Config":
    from fastgate.config import load, locate

    return load(locate(arguments.config, os.environ), os.environ)


def _add_key(asking: dict[str, Any], named: str | None, config: "Config") -> None:
    """Say which key the request comes with: the digest is all that a gateway knows of one."""
    if named is None:
        return
    wanted = named.removeprefix("sha256:").lower()
    for key in config.settings.keys:
        digest = key.digest.removeprefix("sha256:").lower()
        if named == key.name or (len(wanted) >= SHORTEST_DIGEST and digest.startswith(wanted)):
            asking["key"] = digest
            return
    from fastgate.config.findings import hinted

    names = [key.name for key in config.settings.keys if key.name]
    raise RequestUnreadable(hinted(f"no key has this name or digest: {named}", named, names))


def explanation_text(explanation: dict[str, Any]) -> str:
    """Rows, deployments and the chain, for people."""
    leads = LEADS_TO.get(explanation["leads_to"], explanation["leads_to"])
    budget = explanation["budget_ms"]
    within = "" if budget is None else f", to be answered within {budget / 1000:g} s"
    parts = [f"model {explanation['model']}: {leads}{within}"]
    if explanation["rows"]:
        rows = [("row", "", "")] + [
            (f"  {row['row']}", OUTCOMES.get(row["outcome"], row["outcome"]), _conditions(row["failed"]))
            for row in explanation["rows"]
        ]
        parts.append(table(rows))
    for number, step in enumerate(explanation["steps"], 1):
        of = f"group {step['group']}, {step['pick']}" if step["group"] is not None else "a deployment alone"
        places = [("", "deployment", "weight", "", "")] + [_place(entry) for entry in step["deployments"]]
        parts.append(f"step {number}: {of}\n{table(places, right={0, 2})}")
    if explanation["chain"]:
        parts.append("tried in this order: " + ", ".join(explanation["chain"]))
    if error := explanation["error"]:
        later = "; it may find one later" if error.get("is_temporary") else ""
        parts.append(f"no route ({error['code']}): {error['message']}{later}")
    return "\n\n".join(parts)


def _conditions(failed: list[dict[str, Any]]) -> str:
    """`tier: wants free, has paid`."""
    return "; ".join(
        f"{one['condition']}: wants {' or '.join(one['wants'])}, has {', '.join(one['has']) or 'none'}"
        for one in failed
    )


def _place(entry: dict[str, Any]) -> tuple[str, ...]:
    position = entry["position"]
    if position is not None:
        why = "" if entry["is_available"] else "left alone for now"
    else:
        rule = entry["rule"]
        why = f"{rule}: {entry['reason']}" if rule else str(entry["reason"] or "not taken")
    first_content_ns = entry.get("first_content_ns")
    pace = [f"{entry['in_flight']} under way"] if entry.get("in_flight") else []
    pace += [f"first content {first_content_ns / 1e6:,.0f} ms"] if first_content_ns is not None else []
    place = "-" if position is None else str(position + 1)
    return (place, entry["deployment"], str(entry["weight"]), why, ", ".join(pace))
