"""What a loader asks of a database: to take batches whole or not at all, each with the position behind it.

SQLite is the only one so far; nothing above this knows.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from fastgate.billing.ledger.records import Record
from fastgate.billing.ledger.segments import Problem


class Position(msgspec.Struct, frozen=True):
    """How far a segment has been read."""

    offset: int = 0
    records: int = 0
    is_done: bool = False


class Batch(msgspec.Struct):
    """What stands in a segment between two positions."""

    segment: str
    records: Sequence[Record]
    skipped: Mapping[str, int]
    """Records that could not be loaded, by reason."""
    problems: Sequence[Problem]
    position: Position
    """Behind all of it."""


class Appended(msgspec.Struct, frozen=True):
    """What became of a batch."""

    events: int
    repeated: int
    """Events that were there already."""


class Store(Protocol):
    """A ledger's database, as its one writer sees it."""

    def positions(self) -> Mapping[str, Position]:
        """How far each segment has been read."""

    def append(self, batch: Batch) -> Appended:
        """Take a batch: its events that are not there yet, and the position, both or neither."""

    def roll_up(self) -> None:
        """Bring the sums up to date with the events."""

    def close(self) -> None:
        """Let go of the database."""
