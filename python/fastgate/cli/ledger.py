"""`fastgate ledger`: load the ledger, prove it, correct it, export it.

A running gateway loads its ledger by itself. Everything but `load` and `rebuild` works beside it.
"""

import argparse
import contextlib
import secrets
import sqlite3
import sys
import time
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import BinaryIO

from fastgate.cli.places import StateUnreadable, add_place, find_place
from fastgate.cli.times import moment_or_age
from fastgate.moments import rfc3339

_PUSD_PER_USD = 10**12
_COST_MAX_PUSD = 2**63 - 1
# Beyond every event.
_END_UNIX_S = 7_258_118_400


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    status = actions.add_parser("status", help="events, size, and how far it is behind the spool")
    load = actions.add_parser("load", help="load what is in the spool, without a gateway")
    check = actions.add_parser(
        "check", help="prove that sums equal events and events equal the spool; 1 if not"
    )
    rebuild = actions.add_parser("rebuild", help="make it anew from the spool; the old one is kept")
    rebuild.add_argument("--force", action="store_true", help="also if the spool has lost events that it has")
    correct = actions.add_parser("correct", help="add to the cost of an event, by an event of its own")
    correct.add_argument("event", metavar="EVENT", help="an event's id, as fgr_0123/0")
    correct.add_argument(
        "--cost-usd", type=_amount, required=True, metavar="USD", help="what to add, as 0.25 or -0.25"
    )
    correct.add_argument("--reason", required=True, help="why, for people")
    export = actions.add_parser("export", help="write events to a file")
    export.add_argument("--format", choices=("jsonl", "csv", "parquet"), default="jsonl")
    export.add_argument(
        "--since", type=moment_or_age, default=0, metavar="WHEN", help='"30d", "2027-01-31" or a time'
    )
    export.add_argument("--until", type=moment_or_age, default=_END_UNIX_S, metavar="WHEN", help="the same")
    export.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    for action in (status, load, check, rebuild, correct, export):
        add_place(action)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 if the check finds a difference."""
    _, state_dir = find_place(arguments)
    try:
        match arguments.action:
            case "status":
                return _status(state_dir)
            case "load":
                return _load(state_dir)
            case "check":
                return _check(state_dir)
            case "rebuild":
                return _rebuild(state_dir, is_forced=arguments.force)
            case "correct":
                return _correct(state_dir, arguments.event, arguments.cost_usd, arguments.reason)
        return _export(state_dir, arguments)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StateUnreadable(f"can't read or write below {state_dir}: {error.strerror or error}") from None


def _status(state_dir: Path) -> int:
    from fastgate.billing.ledger.status import status

    found = status(state_dir)
    print(f"events        {found.events}")
    print(f"last event    {_shown(found.last_event_unix_us)}")
    print(f"size          {found.file_bytes} bytes")
    lag_s = 0
    if found.waiting_since_unix_us is not None:
        lag_s = max(0, int(time.time()) - found.waiting_since_unix_us // 1_000_000)
    print(f"lag           {found.waiting_records} records, {lag_s} s")
    print(f"reservations  {found.reservations} not settled")
    for why, records in found.skipped.items():
        print(f"skipped       {records} records: {why}")
    if found.damaged_places:
        print(f"damaged       {found.damaged_places} places in the spool")
    return 0


def _load(state_dir: Path) -> int:
    from fastgate.billing.ledger.loading import Loader
    from fastgate.billing.ledger.sqlite_store import SqliteStore

    with SqliteStore(state_dir) as store:
        try:
            loaded = Loader(state_dir / "spool", store).load()
        except sqlite3.Error as error:
            from fastgate.billing.ledger.schema import LedgerError

            raise LedgerError(f"loading stopped, and can be repeated: {error}") from error
    print(f"{loaded.records} records, {loaded.events} new events, {loaded.repeated} that were there already")
    if loaded.skipped or loaded.problems:
        print(f"{loaded.skipped} records skipped, {loaded.problems} damaged places", file=sys.stderr)
    return 0


def _check(state_dir: Path) -> int:
    from fastgate.billing.ledger.check import check

    report = check(state_dir)
    print(f"ledger {'differs' if report.differences else 'ok'}")
    print(f"  events      {report.events}")
    print(f"  in spool    {report.spooled_events}")
    for difference in report.differences:
        print(f"  wrong       {difference}")
    for note in report.notes:
        print(f"  note        {note}")
    return 1 if report.differences else 0


def _rebuild(state_dir: Path, *, is_forced: bool) -> int:
    from fastgate.billing.ledger.rebuild import rebuild

    loaded, kept = rebuild(state_dir, now_unix_s=int(time.time()), is_forced=is_forced)
    print(f"{loaded.records} records, {loaded.events} events")
    if kept is not None:
        print(f"the old ledger is {kept}")
    return 0


def _correct(state_dir: Path, event_id: str, cost_pusd: int, reason: str) -> int:
    from fastgate.billing.ledger.correction import correct

    correction_id = f"cor_{secrets.token_hex(12)}"
    correct(
        state_dir,
        event_id,
        cost_pusd,
        reason,
        correction_id=correction_id,
        now_unix_us=time.time_ns() // 1000,
    )
    print(
        f"{correction_id} corrects {event_id} by {cost_pusd} picodollars; the ledger has it once it is loaded"
    )
    return 0


def _export(state_dir: Path, arguments: argparse.Namespace) -> int:
    from fastgate.billing.ledger.export import WRITERS
    from fastgate.billing.ledger.reading import Ledger

    with (
        Ledger.open(state_dir) as ledger,
        contextlib.closing(ledger.events(arguments.since, arguments.until)) as events,
        _output(arguments.output) as output,
    ):
        WRITERS[arguments.format](events, output)
    return 0


@contextlib.contextmanager
def _output(file: str | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that takes its name once it is whole."""
    if file is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as output:
            yield output
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _shown(unix_us: int | None) -> str:
    return rfc3339(unix_us // 1_000_000) if unix_us is not None else "none"


def _amount(text: str) -> int:
    try:
        amount = Decimal(text) * _PUSD_PER_USD
        if amount != int(amount) or not 0 < abs(amount) <= _COST_MAX_PUSD:
            raise ValueError
    except (InvalidOperation, ValueError, OverflowError):
        raise argparse.ArgumentTypeError("must be an amount in USD of whole picodollars, as -0.25") from None
    return int(amount)
