"""`fastgate spool`: print the records of exchanges, or check that all are there and whole.

Both read while a gateway writes. A torn tail is a record that a process did not finish, or is writing now:
nobody was told that it was kept, so it counts as no error.
"""

import argparse
import sys
from pathlib import Path

from fastgate._core import SpoolReader, check_spool
from fastgate.cli.places import StateUnreadable, add_place, find_place
from fastgate.cli.times import moment_or_age

# Damaged places printed one by one; all are counted.
PLACES_SHOWN = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    cat = actions.add_parser("cat", help="print every record as a line of JSON")
    cat.add_argument(
        "--since",
        type=moment_or_age,
        metavar="WHEN",
        help='only segments written to since: "2h", "2027-01-31" or "2027-01-31T18:00:00Z"',
    )
    check = actions.add_parser("check", help="count records, duplicates and damage; 1 if there is damage")
    for action in (cat, check):
        add_place(action)


def run(arguments: argparse.Namespace) -> int:
    """Print or check; 1 if anything but a torn tail is damaged."""
    _, state_dir = find_place(arguments)
    directory = state_dir / "spool"
    try:
        return cat(directory, arguments.since) if arguments.action == "cat" else check(directory)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StateUnreadable(f"can't read the spool {directory}: {error.strerror or error}") from None


def cat(directory: Path, since_unix_s: int | None) -> int:
    """One line for each record; damage goes to stderr."""
    output = sys.stdout.buffer
    damaged = 0
    for payloads, problems in SpoolReader(directory, since_unix_s=since_unix_s):
        for payload in payloads:
            # JSON has line breaks only where any white space may stand.
            output.write(payload.replace(b"\n", b" ") + b"\n")
        for problem in problems:
            damaged += not problem[-1]
            print(shown(*problem), file=sys.stderr)
    output.flush()
    return 1 if damaged else 0


def check(directory: Path) -> int:
    """What the spool holds, in a few lines."""
    report = check_spool(directory)
    torn = sum(problem[-1] for problem in report["problems"])
    damaged = len(report["problems"]) - torn
    print(f"{directory}: {'damaged' if damaged else 'ok'}")
    print(f"  segments    {report['segments']}")
    print(f"  records     {report['records']}  ({report['payload_bytes']} bytes)")
    print(f"  duplicates  {report['duplicates']}")
    for duplicate in report["duplicate_ids"]:
        print(f"    {duplicate}")
    if report["without_id"]:
        print(f"  without id  {report['without_id']}")
    print(f"  torn tails  {torn}")
    print(f"  damaged     {damaged}")
    for problem in report["problems"][:PLACES_SHOWN]:
        print(f"    {shown(*problem)}")
    return 1 if damaged else 0


def shown(segment: str, offset: int, length: int, fault: str, _: bool) -> str:
    """A place without a record, in words."""
    return f"segment {segment} at {offset}: {fault}" + (f", {length} bytes" if length else "")
