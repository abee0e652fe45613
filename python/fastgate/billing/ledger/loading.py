"""Loading: from every segment of the spool, what is behind its position, batch by batch."""

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from fastgate.billing.ledger.records import Record, Skipped, decode
from fastgate.billing.ledger.segments import Chunk, Segment, read, segments
from fastgate.billing.ledger.store import Batch, Position, Store

logger = logging.getLogger("fastgate.ledger")


class Loaded(msgspec.Struct):
    """What one round brought."""

    records: int = 0
    events: int = 0
    repeated: int = 0
    """Events that were there already."""
    skipped: int = 0
    problems: int = 0


class Loader:
    """Brings a store up to date with a spool, from where it stopped the last time."""

    def __init__(self, spool: Path, store: Store) -> None:
        self._spool = spool
        self._store = store
        self._positions = dict(store.positions())

    def load(self, is_stopped: Callable[[], bool] = lambda: False) -> Loaded:
        """Load what there is, until `is_stopped`, which is asked before every batch.

        Raises:
            OSError: The spool can't be read.
            sqlite3.Error: The store can't take a batch; what was taken before stays.
        """
        loaded = Loaded()
        for segment in self._found():
            position = self._positions.get(segment.name, Position())
            if position.is_done:
                continue
            for chunk in read(self._spool, segment, position.offset):
                if is_stopped():
                    return loaded
                position = self._take(segment, chunk, position, loaded)
        # Also what an earlier process loaded and did not get to.
        self._store.roll_up()
        return loaded

    def _found(self) -> list[Segment]:
        try:
            return segments(self._spool)
        except FileNotFoundError:
            return []

    def _take(self, segment: Segment, chunk: Chunk, position: Position, loaded: Loaded) -> Position:
        records, skipped = list[Record](), Counter[str]()
        for payload in chunk.payloads:
            try:
                records.append(decode(payload))
            except Skipped as why:
                skipped[str(why)] += 1
        position = Position(chunk.offset, position.records + len(chunk.payloads), chunk.is_done)
        appended = self._store.append(Batch(segment.name, records, skipped, chunk.problems, position))
        self._positions[segment.name] = position
        for reason, number in skipped.items():
            logger.warning("segment %s: %d records can't be loaded: %s", segment.name, number, reason)
        for offset, length, fault in chunk.problems:
            logger.warning("segment %s at %d: %s, %d bytes", segment.name, offset, fault, length)
        loaded.records += len(chunk.payloads)
        loaded.events += appended.events
        loaded.repeated += appended.repeated
        loaded.skipped += skipped.total()
        loaded.problems += len(chunk.problems)
        return position
