"""Spools and ledgers to test with."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.reference.spool import frame

from fastgate.billing.ledger.loading import Loaded, Loader
from fastgate.billing.ledger.sqlite_store import SqliteStore

Fill: TypeAlias = Callable[..., bytes]
Load: TypeAlias = Callable[[], Loaded]

# 2026-11-15T12:00:00Z
NOON_UNIX_S = 1_794_744_000
US = 1_000_000


def exchange(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A record as the gateway writes it."""
    return {
        "v": 1,
        "id": f"fgr_{number:024x}",
        "started_unix_us": NOON_UNIX_S * US + number,
        "operation": "chat",
        "tenant": "acme",
        "user": "ann",
        "feature": "search",
        "session": None,
        "key": "0123456789ab",
        "model": "chat",
        "deployment": "gpt-us",
        "provider": "openai",
        "provider_model": "gpt-4o",
        "attempts": 1,
        "stream": False,
        "status": 200,
        "outcome": "answered",
        "fault": "none",
        "usage": {"input_tokens": 10, "output_tokens": 5},
        "usage_estimated": False,
        "cost_pusd": 1000,
        **fields,
    }


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with an empty spool."""
    (tmp_path / "state" / "spool").mkdir(parents=True)
    return tmp_path / "state"


@pytest.fixture
def fill(state: Path) -> Fill:
    """Writes a segment."""

    def write(records: Sequence[Any], name: str = "1000-1-0-000000.spool") -> bytes:
        data = b"".join(frame(json.dumps(record).encode()) for record in records)
        (state / "spool" / name).write_bytes(data)
        return data

    return write


@pytest.fixture
def load(state: Path) -> Load:
    """Loads what there is."""

    def run() -> Loaded:
        with SqliteStore(state) as store:
            return Loader(state / "spool", store).load()

    return run
