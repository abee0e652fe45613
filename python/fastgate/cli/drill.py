"""`fastgate drill`: start, stop and list failover drills of a running gateway, and tell what they did.

A drill plays the failure of a provider for chosen traffic, so that the way around it is used while all is
well (docs/drills.md).
"""

import argparse
import json
import time
from decimal import Decimal, InvalidOperation
from typing import Any

from fastgate.cli import admin_client
from fastgate.cli.admin_client import AdminClient
from fastgate.cli.times import length

REPORT_LIMIT_S = 600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    start = actions.add_parser("start", help="play the failure of a provider for some traffic, for a while")
    start.add_argument("--provider", required=True, metavar="ID", help="whose failure is played")
    start.add_argument(
        "--percent", required=True, type=_percent, metavar="N", help="share of the traffic, 0.1 to 100"
    )
    start.add_argument(
        "--for",
        required=True,
        dest="length",
        type=length,
        metavar="TIME",
        help='how long: "1h", at most 31d',
    )
    start.add_argument(
        "--tenant", action="append", metavar="ID", help="only this tenant's traffic; may be repeated"
    )
    start.add_argument(
        "--feature", action="append", metavar="NAME", help="only this feature's; may be repeated"
    )
    start.add_argument(
        "--error-share",
        default="5%",
        metavar="N%",
        help="the drill stops when more of its exchanges fail (default: 5%%)",
    )
    start.add_argument(
        "--minimum-exchanges",
        type=int,
        default=20,
        metavar="N",
        help="exchanges before that is judged (default: %(default)s)",
    )
    stop = actions.add_parser("stop", help="end a drill before its time")
    report = actions.add_parser("report", help="what fell back where, what it cost, what broke")
    for action in (stop, report):
        action.add_argument("id", metavar="ID")
    listing = actions.add_parser("list", help="drills that run, are to come, are over")
    for action in (report, listing):
        action.add_argument("--json", action="store_true", help="print JSON")
    for action in (start, stop, report, listing):
        admin_client.configure(action)


def run(arguments: argparse.Namespace) -> int:
    """Ask the gateway and print what it says."""
    client = AdminClient.from_arguments(arguments)
    if arguments.action == "start":
        return start(client, arguments)
    if arguments.action == "stop":
        _, told = client.ask("DELETE", "drills", arguments.id)
        drill = told["drill"]
        print(f"{drill['id']}: {drill['why']}; {_counted(drill)}")
        return 0
    if arguments.action == "report":
        from fastgate.cli.drill_text import report_text

        report = fetch_report(client, arguments.id)
        print(json.dumps(report, indent=2) if arguments.json else report_text(report))
        return 0
    _, told = client.ask("GET", "drills")
    if arguments.json:
        print(json.dumps(told["drills"], indent=2))
        return 0
    from fastgate.cli.drill_text import drills_text

    print(drills_text(told["drills"]))
    return 0


def start(client: AdminClient, arguments: argparse.Namespace) -> int:
    """Begin a drill; what there is to worry about is said as well."""
    asked: dict[str, Any] = {
        "provider": arguments.provider,
        "percent": arguments.percent,
        "for": arguments.length,
        "error_share": arguments.error_share,
        "minimum_exchanges": arguments.minimum_exchanges,
    }
    if arguments.tenant:
        asked["tenant"] = arguments.tenant
    if arguments.feature:
        asked["feature"] = arguments.feature
    _, told = client.ask("POST", "drills", body=asked)
    from fastgate.cli.drill_text import drill_line

    print(drill_line(told["drill"]))
    for warning in told["warnings"]:
        print(f"warning: {warning}")
    print(f"stop it: fastgate drill stop {told['drill']['id']}")
    return 0


def fetch_report(client: AdminClient, drill_id: str) -> Any:
    """The report, once it is there.

    Raises:
        AdminRefused: There is none.
    """
    ends_s = time.monotonic() + REPORT_LIMIT_S
    while True:
        status, told = client.ask("GET", "drills", drill_id, "report")
        if status != 202:
            return told
        if time.monotonic() >= ends_s:
            raise admin_client.AdminRefused("the report is still being made; ask again later")


def _counted(drill: dict[str, Any]) -> str:
    return f"{drill['exchanges']} exchanges, {drill['forced']} of them forced, {drill['failed']} failed"


def _percent(text: str) -> int | float:
    try:
        number = Decimal(text.removesuffix("%"))
        if not number.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise argparse.ArgumentTypeError("must be a number, as 10") from None
    return int(number) if number == int(number) else float(number)
