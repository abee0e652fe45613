"""Events as files: JSONL, CSV, Parquet. One event at a time, so a year needs no more memory than an hour.

Money is integer picodollars, and beside them a decimal text in USD for people and spreadsheets.
"""

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import msgspec

from fastgate.billing.ledger.schema import EVENT_COLUMNS, NAMED, LedgerError
from fastgate.billing.money import exact

_INTERNAL = ("segment",)
COLUMNS = (
    "event_id",
    *(name for name in EVENT_COLUMNS if name not in _INTERNAL),
    "cost_usd",
)
_TEXTS = frozenset(("event_id", "cost_usd", "reason", "prompt_hash", *NAMED))
_BOOLEANS = frozenset(name for name in COLUMNS if name.startswith("is_"))
_ROWS_AT_ONCE = 10_000


class ExtraMissing(LedgerError):
    """A package that only this needs is not installed."""


def write_jsonl(events: Iterable[dict[str, Any]], output: BinaryIO) -> int:
    """A line of JSON for each event; how many there were."""
    count = 0
    for event in _shown(events):
        if event["tags"] is not None:
            event["tags"] = msgspec.Raw(event["tags"].encode())
        output.write(msgspec.json.encode(event) + b"\n")
        count += 1
    return count


def write_csv(events: Iterable[dict[str, Any]], output: BinaryIO) -> int:
    """RFC 4180 with a line of column names; what is unknown is empty, true is 1."""
    text = io.TextIOWrapper(output, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    count = 0
    for event in _shown(events):
        writer.writerow([int(value) if isinstance(value, bool) else value for value in event.values()])
        count += 1
    text.detach()
    return count


def write_parquet(events: Iterable[dict[str, Any]], output: BinaryIO) -> int:
    """Parquet with typed columns, in row groups of 10,000.

    Raises:
        ExtraMissing: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ExtraMissing("Parquet needs pyarrow: pip install 'fastgate[parquet]'") from None
    kinds = {"TEXT": pyarrow.string(), "BLOB": pyarrow.string(), "INTEGER": pyarrow.int64()}
    schema = pyarrow.schema([(name, _arrow_type(name, pyarrow, kinds)) for name in COLUMNS])
    count = 0
    rows = _shown(events)
    with pyarrow.parquet.ParquetWriter(output, schema, compression="zstd") as writer:
        while some := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            writer.write_table(pyarrow.Table.from_pylist(some, schema=schema))
            count += len(some)
    return count


WRITERS: dict[str, Callable[[Iterable[dict[str, Any]], BinaryIO], int]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "parquet": write_parquet,
}
"""By the name of the format."""


def _arrow_type(name: str, pyarrow: Any, kinds: dict[str, Any]) -> Any:
    if name in _BOOLEANS:
        return pyarrow.bool_()
    # Names are numbers in the ledger, and texts here.
    if name in _TEXTS:
        return pyarrow.string()
    return kinds[EVENT_COLUMNS[name].split()[0]]


def _shown(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for event in events:
        shown = {name: event[name] for name in COLUMNS[:-1]}
        for name in _BOOLEANS:
            shown[name] = bool(shown[name])
        cost_pusd = event["cost_pusd"]
        shown["cost_usd"] = None if cost_pusd is None else exact(cost_pusd)
        yield shown
