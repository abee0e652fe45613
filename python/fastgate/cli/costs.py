"""`fastgate costs`: what features, tenants and models cost, what they bring, and what was wasted.

It reads the ledger beside a running gateway (docs/costs.md).
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fastgate.billing.reports import imported
from fastgate.billing.reports.asking import DEFAULT_BY, DEFAULT_SINCE, DEFAULT_ZONE, Asked, make, sources
from fastgate.billing.reports.query import BY, FILTERS, UnfitQuestion
from fastgate.billing.reports.report import SORTS
from fastgate.billing.reports.waste import DEBUG_FEATURES
from fastgate.cli.places import add_place, find_place

if TYPE_CHECKING:
    from fastgate.billing.reports.report import Report

TERMINAL = "terminal"
# A plot has room for more parts of the time than a column of a table.
PARTS_OF_PLOT = 62
PLACE_HELP = {
    "config_help": "configuration: server.state_dir, billing.revenue, budgets",
    "directory_help": "the state directory itself; then without prices and budgets",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--by",
        default=DEFAULT_BY,
        metavar="NAMES",
        help=f"{', '.join(BY)}; several with commas (default: %(default)s)",
    )
    parser.add_argument(
        "--since",
        default=DEFAULT_SINCE,
        metavar="WHEN",
        help='"30d", "12h", "2027-01-31" or "2027-01-31T18:00:00Z" (default: %(default)s)',
    )
    parser.add_argument("--until", metavar="WHEN", help="the same; a date is its first second (default: now)")
    parser.add_argument(
        "--time-zone",
        default=DEFAULT_ZONE,
        metavar="NAME",
        help="where days begin, as Europe/Berlin (default: %(default)s)",
    )
    for name in FILTERS:
        parser.add_argument(
            f"--{name}",
            action="append",
            metavar="NAME",
            help=f'only of this {name}; may be repeated; "" is none',
        )
    parser.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="(default: table)"
    )
    parser.add_argument(
        "--plot", metavar="FILE.png", help=f"draw it instead: into a PNG, or with `{TERMINAL}` here"
    )
    parser.add_argument("--sort", choices=SORTS, help="(default: cost; days and months by time)")
    parser.add_argument("--top", metavar="N", help="rows; the others are added up in one (default: 20)")
    parser.add_argument(
        "--debug-features",
        default=",".join(DEBUG_FEATURES),
        metavar="NAMES",
        help="features that are only for trying things out; `*` stands for anything (default: %(default)s)",
    )
    add_place(parser, **PLACE_HELP)
    actions = parser.add_subparsers(dest="action", metavar="[import-revenue]")
    action = actions.add_parser(
        "import-revenue",
        help="keep what was earned: a CSV file with the columns date, feature, tenant, usd",
        argument_default=argparse.SUPPRESS,
    )
    action.add_argument("file", metavar="FILE.csv")
    add_place(action, **PLACE_HELP)


def run(arguments: argparse.Namespace) -> int:
    """Print a report, or keep revenue."""
    config, state_dir = find_place(arguments)
    if arguments.action == "import-revenue":
        return import_revenue(Path(arguments.file), state_dir)
    if arguments.plot and arguments.format != "table":
        raise UnfitQuestion("a plot is instead of a table: leave --format out")
    if arguments.plot and arguments.plot != TERMINAL and not arguments.plot.lower().endswith(".png"):
        raise UnfitQuestion(f"a plot is `{TERMINAL}` or a file that ends in .png")
    from fastgate.billing.ledger import Ledger

    asked = Asked(
        by=arguments.by,
        since=arguments.since,
        until=arguments.until,
        time_zone=arguments.time_zone,
        where={name: found for name in FILTERS if (found := getattr(arguments, name))},
        sort=arguments.sort,
        top=arguments.top,
        debug_features=arguments.debug_features,
        **({"parts": PARTS_OF_PLOT} if arguments.plot else {}),
    )
    with Ledger.open(state_dir) as ledger:
        report = make(asked, ledger, sources(state_dir, config), int(time.time()))
    _print(report, arguments.format, arguments.plot)
    return 0


def import_revenue(file: Path, state_dir: Path) -> int:
    """Keep what a CSV file says was earned."""
    earned = imported.read_csv(file)
    new, replaced = imported.keep(state_dir, earned)
    print(f"{new} new, {replaced} replaced; kept in {state_dir / imported.FILE}")
    return 0


def _print(report: "Report", form: str, plot: str | None) -> None:
    if plot and plot != TERMINAL:
        from fastgate.billing.reports.picture import draw

        draw(report, Path(plot))
        print(f"drawn into {plot}")
        return
    if form == "json":
        import msgspec

        from fastgate.billing.reports.documents import document

        print(msgspec.json.format(msgspec.json.encode(document(report)), indent=2).decode())
        return
    if form == "csv":
        from fastgate.billing.reports.documents import csv_text

        print(csv_text(report), end="")
        return
    from fastgate.cli.terminal import Style, width_of

    # What a terminal's encoding lacks must not end a report.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    style, width = Style(sys.stdout, os.environ), width_of(sys.stdout)
    if plot:
        from fastgate.cli.costs_plot import costs_plot

        print(costs_plot(report, style, width))
    else:
        from fastgate.cli.costs_text import costs_text

        print(costs_text(report, style, width))
