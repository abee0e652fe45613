"""The ledger's tables: events by month, which are only ever added to, and sums of them.

Names (tenants, models, sessions, …) are numbers of one dictionary, 0 for none: an event is 40 % smaller, and
rollups have integer keys. An amount of money fits 64 bits; a sum of them need not, so rollups keep the sums
of the upper bits and of the lower 32 apart, which neither overflow nor round for two billion events.
"""
# ruff: noqa: S608 -- tables and columns are the module's own words

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

from fastgate.errors import FastgateError

VERSION = 1
# "fgld", in the file's header: a file of somebody else's is never written to.
APPLICATION_ID = 0x66676C64

Dimension: TypeAlias = Literal[
    "tenant",
    "user",
    "feature",
    "session",
    "key",
    "model",
    "deployment",
    "provider",
    "provider_model",
    "operation",
    "outcome",
    "fault",
    "hour",
    "day",
    "month",
]
"""What sums can be taken by. Hours, days and months are those of UTC."""

Grain: TypeAlias = Literal["hour", "day", "month"]
GRAINS: tuple[Grain, ...] = get_args(Grain)
NAMED: tuple[Dimension, ...] = tuple(name for name in get_args(Dimension) if name not in GRAINS)
"""Dimensions whose values are names."""

TOKEN_CLASSES = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_other_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "cache_read_audio_tokens",
    "cache_read_image_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
)

# Name and SQL type of an event's columns; `sequence` comes before them.
EVENT_COLUMNS: dict[str, str] = {
    "exchange_id": "TEXT NOT NULL",
    "attempt": "INTEGER NOT NULL",
    # 1 for what the client got in the end, 0 for an attempt before it, or a correction.
    "is_final": "INTEGER NOT NULL",
    "is_correction": "INTEGER NOT NULL",
    # Calls to a deployment: 0 for a refusal; more than 1 where a broken connection was replaced.
    "calls": "INTEGER NOT NULL",
    "segment": "INTEGER NOT NULL",
    "started_unix_us": "INTEGER NOT NULL",
    **dict.fromkeys(NAMED, "INTEGER NOT NULL"),
    "reason": "INTEGER NOT NULL",
    **dict.fromkeys(TOKEN_CLASSES, "INTEGER NOT NULL"),
    # NULL: nobody knows.
    "cost_pusd": "INTEGER",
    "list_cost_pusd": "INTEGER",
    "reported_cost_pusd": "INTEGER",
    "saved_pusd": "INTEGER NOT NULL",
    "is_answered": "INTEGER NOT NULL",
    "is_estimated": "INTEGER NOT NULL",
    "is_drill": "INTEGER NOT NULL",
    "is_stream": "INTEGER NOT NULL",
    "is_truncated": "INTEGER NOT NULL",
    "is_repeat": "INTEGER NOT NULL",
    "status": "INTEGER",
    "trace_id": "BLOB",
    "prompt_hash": "INTEGER",
    "tags": "TEXT",
    "request_bytes": "INTEGER",
    "first_content_us": "INTEGER",
    "total_us": "INTEGER",
    "corrects": "TEXT",
}

# What is added up, each as an expression over an event. `is_repeat` is set on every attempt of an exchange.
# A sum over columns of 32 bits is safe for two billion events, like those of amounts.
_ATTEMPT_ONLY = "is_final = 0 AND is_correction = 0"
_UNANSWERED = "is_final AND NOT is_answered"
COUNTS: dict[str, str] = {
    "requests": "is_final",
    "attempts": "calls",
    "failed_attempts": f"CASE WHEN {_ATTEMPT_ONLY} THEN calls ELSE 0 END",
    "failed_requests": _UNANSWERED,
    "unknown_cost_requests": "cost_pusd IS NULL",
    "reported_cost_requests": "reported_cost_pusd IS NOT NULL",
    "unanswered_requests": f"{_UNANSWERED} AND ifnull(cost_pusd, 0) <> 0",
    "truncated_requests": "is_final AND is_truncated",
    "estimated_requests": "is_final AND is_estimated",
    "repeated_requests": "is_final AND is_repeat",
    "corrections": "is_correction",
    **{name: name for name in TOKEN_CLASSES},
}
AMOUNTS: dict[str, str] = {
    "cost_pusd": "cost_pusd",
    "list_cost_pusd": "ifnull(list_cost_pusd, cost_pusd)",
    "reported_cost_pusd": "reported_cost_pusd",
    "saved_pusd": "saved_pusd",
    "failed_attempts_cost_pusd": f"CASE WHEN {_ATTEMPT_ONLY} THEN cost_pusd ELSE 0 END",
    "unanswered_cost_pusd": f"CASE WHEN {_UNANSWERED} THEN cost_pusd ELSE 0 END",
    "truncated_cost_pusd": "CASE WHEN is_truncated THEN cost_pusd ELSE 0 END",
    "estimated_cost_pusd": "CASE WHEN is_estimated THEN cost_pusd ELSE 0 END",
    "repeated_cost_pusd": "CASE WHEN is_repeat THEN cost_pusd ELSE 0 END",
    "corrections_pusd": "CASE WHEN is_correction THEN cost_pusd ELSE 0 END",
}
LOWER_BITS = 32
_LOWER = (1 << LOWER_BITS) - 1

MEASURE_COLUMNS: tuple[str, ...] = (
    *COUNTS,
    *(f"{name}_{half}" for name in AMOUNTS for half in ("upper", "lower")),
)
"""The summed columns of every rollup."""


def _select_lists(counts: Sequence[str], amounts: Sequence[str]) -> tuple[str, str]:
    """What adds these measures up over events, and over rows of rollups."""
    measures = {name: COUNTS[name] for name in counts}
    for name in amounts:
        measures[f"{name}_upper"] = f"({AMOUNTS[name]}) >> {LOWER_BITS}"
        measures[f"{name}_lower"] = f"({AMOUNTS[name]}) & {_LOWER}"
    of_events = (f"ifnull(sum({expression}), 0) AS {name}" for name, expression in measures.items())
    return ", ".join(of_events), ", ".join(f"sum({name}) AS {name}" for name in measures)


SUMS_OF_EVENTS, SUMS_OF_ROLLUPS = _select_lists([*COUNTS], [*AMOUNTS])
"""The select lists that add up everything: the one definition of what a rollup holds."""
SPENDING_COUNTS = ("requests", "unknown_cost_requests")
SPENDING_OF_EVENTS, SPENDING_OF_ROLLUPS = _select_lists(SPENDING_COUNTS, ["cost_pusd"])
"""Those of what was spent alone: a rollup's forty columns take five times as long."""
_SPENDING_COLUMNS = (*SPENDING_COUNTS, "cost_pusd_upper", "cost_pusd_lower")

ROLLUPS: dict[str, tuple[tuple[Dimension, ...], tuple[Grain, ...]]] = {
    "costs": (("tenant", "feature", "model"), ("day", "month")),
    "traffic": (
        (
            *("tenant", "feature", "key", "model", "deployment", "provider", "provider_model"),
            *("operation", "outcome", "fault"),
        ),
        ("hour", "day", "month"),
    ),
    "users": (("tenant", "user", "feature", "key", "model"), ("month",)),
    "sessions": (
        ("tenant", "user", "feature", "session", "key", "model", "deployment", "provider"),
        ("day",),
    ),
}
"""Dimensions and grains of each rollup, the cheapest to read first."""

# Sessions are spread over so many ranges of the key: distinct ones are counted exactly where there are few,
# and in some of the ranges where there are many.
BUCKETS = 256
EVERY_BUCKET = f"bucket IN ({', '.join(map(str, range(BUCKETS)))})"
BUCKET_OF_SESSION = f"((session * 2654435761) >> 16) & {BUCKETS - 1}"

START_OF: dict[Grain, str] = {
    "hour": "started_unix_us / 3600000000 * 3600",
    "day": "started_unix_us / 86400000000 * 86400",
}
"""Unix seconds at which an event's hour or day begins; that of its month is its table's."""


class LedgerError(FastgateError):
    """The ledger can't be used: damaged, of a newer version, or somebody else's."""

    code = "ledger_unusable"


def rollup_table(rollup: str, grain: Grain) -> str:
    """Name of a table of sums."""
    return f"{rollup}_{grain}"


def rollup_tables() -> list[tuple[str, str, Grain, tuple[Dimension, ...]]]:
    """Every table of sums: its name, rollup, grain and dimensions."""
    return [
        (rollup_table(rollup, grain), rollup, grain, dimensions)
        for rollup, (dimensions, grains) in ROLLUPS.items()
        for grain in grains
    ]


def key_columns(rollup: str, dimensions: Sequence[str]) -> tuple[str, ...]:
    """The primary key of a rollup's tables."""
    prefix = ("bucket", "start_unix_s") if rollup == "sessions" else ("start_unix_s",)
    return (*prefix, *dimensions)


def month_table(started_unix_us: int) -> str:
    """The table that an event belongs to: `events_2026_11`."""
    moment = datetime.fromtimestamp(started_unix_us // 1_000_000, UTC)
    return f"events_{moment.year:04}_{moment.month:02}"


def month_bounds(table: str) -> tuple[int, int]:
    """First Unix second of a month table, and of the one that would follow."""
    year, month = int(table[7:11]), int(table[12:14])
    following = (year + month // 12, month % 12 + 1)
    return _first_second(year, month), _first_second(*following)


def month_start(unix_s: int) -> int:
    """First Unix second of the month of a moment."""
    moment = datetime.fromtimestamp(unix_s, UTC)
    return _first_second(moment.year, moment.month)


def rolled_up(connection: sqlite3.Connection) -> dict[str, int]:
    """The last sequence of each month's events that the rollups hold; the oldest month first."""
    found = connection.execute("SELECT events, sequence FROM rolled_up ORDER BY events")
    return dict(found.fetchall())


def events_within(table: str) -> str:
    """Events from one microsecond to before another, as far as the rollups have them too."""
    mark = f"(SELECT sequence FROM rolled_up WHERE events = '{table}')"
    return f"started_unix_us >= ? AND started_unix_us < ? AND sequence <= {mark}"


def create_month(connection: sqlite3.Connection, table: str) -> None:
    """Make the table of a month."""
    columns = ", ".join(f"{name} {kind}" for name, kind in EVENT_COLUMNS.items())
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (sequence INTEGER PRIMARY KEY, {columns}, "
        "UNIQUE (exchange_id, attempt)) STRICT"
    )
    connection.execute(f"CREATE INDEX IF NOT EXISTS {table}_started ON {table} (started_unix_us)")
    connection.execute("INSERT OR IGNORE INTO rolled_up VALUES (?, 0)", (table,))


def create(connection: sqlite3.Connection) -> None:
    """Make everything but the months, or see that what is there is ours and of our version.

    Raises:
        LedgerError: It is not.
    """
    if check_version(connection):
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements():
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def check_version(connection: sqlite3.Connection) -> bool:
    """Whether there is a ledger in the file; False if there is nothing at all.

    Raises:
        LedgerError: A newer fastgate made it, or something else did.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == 0 and version == 0:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables == 0:
            return False
    if application != APPLICATION_ID:
        raise LedgerError("the file is a database, but no ledger of fastgate's")
    if version > VERSION:
        raise LedgerError(
            f"the ledger has format {version}, this fastgate knows {VERSION}: use the newer fastgate, "
            "or rebuild the ledger from the spool"
        )
    return True


def _statements() -> list[str]:
    # What comes first in a row is read fastest.
    ordered = sorted(MEASURE_COLUMNS, key=lambda name: name not in _SPENDING_COLUMNS)
    measures = ", ".join(f"{name} INTEGER NOT NULL" for name in ordered)
    statements = [
        "CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT",
        # How far each segment of the spool has been read, by its name without an extension.
        "CREATE TABLE segments (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, offset INTEGER NOT NULL, "
        "records INTEGER NOT NULL, is_done INTEGER NOT NULL) STRICT",
        "CREATE TABLE problems (segment TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, "
        "fault TEXT NOT NULL, PRIMARY KEY (segment, offset)) STRICT, WITHOUT ROWID",
        "CREATE TABLE skipped (why TEXT PRIMARY KEY, records INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        # How far the rollups have followed each month's events: questions see no event beyond.
        "CREATE TABLE rolled_up (events TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        # Reservations whose exchange has not ended.
        "CREATE TABLE reservations (id TEXT PRIMARY KEY, started_unix_us INTEGER NOT NULL, "
        "tenant INTEGER NOT NULL, cost_pusd INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        # Prompts of the last days: what is there already is repeated.
        "CREATE TABLE prompts (day INTEGER NOT NULL, prompt INTEGER NOT NULL, PRIMARY KEY (day, prompt)) "
        "STRICT, WITHOUT ROWID",
    ]
    for table, rollup, _, dimensions in rollup_tables():
        keys = key_columns(rollup, dimensions)
        columns = ", ".join(f"{name} INTEGER NOT NULL" for name in keys)
        statements.append(
            f"CREATE TABLE {table} ({columns}, {measures}, PRIMARY KEY ({', '.join(keys)})) "
            "STRICT, WITHOUT ROWID"
        )
    return statements


def _first_second(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
