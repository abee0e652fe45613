"""Correcting the cost of an event: a record of its own in the spool, so that a rebuilt ledger has it too."""

import os
from pathlib import Path
from typing import Any

import msgspec

from fastgate.billing.ledger.reading import Ledger
from fastgate.billing.ledger.records import RECORD_VERSION
from fastgate.billing.ledger.schema import LedgerError
from fastgate.billing.ledger.segments import frame

# Names that a correction takes over from what it corrects.
_TAKEN_OVER = (
    *("tenant", "user", "feature", "session", "key", "model"),
    *("deployment", "provider", "provider_model", "operation"),
)


def correct(
    state_dir: Path, event_id: str, cost_pusd: int, reason: str, *, correction_id: str, now_unix_us: int
) -> None:
    """Add `cost_pusd`, which may be negative, to what an event costs; synced to the disk on return.

    Args:
        state_dir: Where the gateway keeps its data.
        event_id: The event, as `fgr_0123/0`.
        cost_pusd: What is added, in picodollars.
        reason: Why, for people.
        correction_id: A new id: the correction's own event is `<id>/0`.
        now_unix_us: When it is made, which is the time that it counts for.

    Raises:
        LedgerError: There is no such event, or it can't be written.
    """
    with Ledger.open(state_dir) as ledger:
        event = ledger.event(event_id)
    if event is None:
        raise LedgerError(
            f"the ledger has no event {event_id}; it takes the id of an exchange and an attempt: ID/0"
        )
    record: dict[str, Any] = {
        "v": RECORD_VERSION,
        "type": "correction",
        "id": correction_id,
        "corrects": event_id,
        "cost_pusd": cost_pusd,
        "reason": reason,
        "started_unix_us": now_unix_us,
    }
    record |= {name: event[name] for name in _TAKEN_OVER if event[name] is not None}
    try:
        _write(state_dir / "spool", frame(msgspec.json.encode(record)), now_unix_us // 1000)
    except OSError as error:
        raise LedgerError(f"the correction can't be written: {error.strerror or error}") from None


def _write(spool: Path, data: bytes, now_unix_ms: int) -> None:
    """A closed segment with nothing else in it, in one step."""
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{now_unix_ms}-{os.getpid()}-0-000000.spool"
    new = spool / f"{name}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # Unlike a rename, this never takes the place of a segment that is there.
        os.link(new, spool / name)
    finally:
        new.unlink()
    folder = os.open(spool, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
