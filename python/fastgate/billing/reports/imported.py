"""Revenue that is known from elsewhere: invoices and subscriptions, as CSV with `date,feature,tenant,usd`.

Kept in `revenue.json` of the state directory. Lines of one file about the same date, feature and tenant add
up; a later import replaces what an earlier one said about them, so the same file may be imported again.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import TypeAlias

import msgspec

from fastgate.billing.money import parse
from fastgate.errors import FastgateError
from fastgate.state_files import replace

FILE = "revenue.json"
COLUMNS = ("date", "feature", "tenant", "usd")
MOST_LINES = 1_000_000
VERSION = 1

Key: TypeAlias = tuple[str, str | None, str | None]
"""Date, feature, tenant; None: not of one."""


class RevenueUnreadable(FastgateError):
    """A file of revenue that can't be understood."""

    code = "revenue_unreadable"


class Earned(msgspec.Struct, frozen=True, order=True):
    """What a feature brought from a tenant on a day."""

    date: str
    """`2027-01-31`."""
    feature: str | None
    tenant: str | None
    pusd: int
    """Picodollars; negative for a refund."""


class _Kept(msgspec.Struct):
    v: int
    earned: list[Earned]


def read(state_dir: Path) -> list[Earned]:
    """Everything imported, by date; nothing where nothing was.

    Raises:
        RevenueUnreadable: The file is there and can't be understood.
    """
    file = state_dir / FILE
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        raise RevenueUnreadable(f"{file} can't be read: {error}") from None
    if kept.v > VERSION:
        raise RevenueUnreadable(f"{file} was written by a newer version of fastgate")
    return kept.earned


def keep(state_dir: Path, earned: Iterable[Earned]) -> tuple[int, int]:
    """Add to what is kept; how many entries are new, and how many took the place of an older one.

    Raises:
        RevenueUnreadable: What is kept can't be read or written.
    """
    kept = {_key(entry): entry for entry in read(state_dir)}
    before = len(kept)
    coming = {_key(entry): entry for entry in earned}
    kept |= coming
    content = msgspec.json.encode(_Kept(VERSION, sorted(kept.values(), key=_order)))
    try:
        replace(state_dir / FILE, content)
    except OSError as error:
        raise RevenueUnreadable(f"{state_dir / FILE} can't be written: {error}") from None
    return len(kept) - before, len(coming) - (len(kept) - before)


def read_csv(file: Path) -> list[Earned]:
    """The revenue in a CSV file with a heading; columns in any order, an empty feature or tenant is none.

    Raises:
        RevenueUnreadable: The file or one of its lines is wrong; the message names the line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            sums: dict[Key, int] = defaultdict(int)
            for key, pusd in _lines(file, csv.reader(stream, strict=True)):
                sums[key] += pusd
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RevenueUnreadable(f"{file}: {error}") from None
    return [Earned(*key, pusd) for key, pusd in sums.items()]


def _lines(file: Path, rows: "Iterator[list[str]]") -> Iterator[tuple[Key, int]]:
    heading = [name.strip().lower() for name in next(rows, [])]
    if sorted(heading) != sorted(COLUMNS):
        raise RevenueUnreadable(f"{file}:1: the heading must be {','.join(COLUMNS)}")
    for number, row in enumerate(rows, 2):
        if not any(cell.strip() for cell in row):
            continue
        if number > MOST_LINES:
            raise RevenueUnreadable(f"{file} has more than {MOST_LINES} lines")
        if len(row) != len(heading):
            raise RevenueUnreadable(f"{file}:{number}: {len(row)} columns instead of {len(heading)}")
        cells = dict(zip(heading, (cell.strip() for cell in row), strict=True))
        try:
            day = date.fromisoformat(cells["date"]).isoformat()
        except ValueError:
            raise RevenueUnreadable(f"{file}:{number}: date must be as 2027-01-31") from None
        try:
            pusd = parse(cells["usd"])
        except ValueError as error:
            raise RevenueUnreadable(f"{file}:{number}: usd {error}") from None
        yield (day, cells["feature"] or None, cells["tenant"] or None), pusd


def _key(entry: Earned) -> Key:
    return entry.date, entry.feature, entry.tenant


def _order(entry: Earned) -> tuple[str, str, str]:
    return entry.date, entry.feature or "", entry.tenant or ""
