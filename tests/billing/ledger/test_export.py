"""Exports: every event, exact money, and what each format makes of it."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from tests.billing.ledger.conftest import Fill, Load, exchange

from fastgate.billing.ledger import export
from fastgate.billing.ledger.reading import Ledger

TRIED = {"deployment": "gpt-eu", "provider": "openai", "reason": "overloaded", "status": 503}


@pytest.fixture
def events(fill: Fill, load: Load, state: Path) -> list[dict[str, Any]]:
    fill(
        [
            exchange(1, trail=[TRIED], attempts=2, tags={"team": 'a,"b"'}, cost_pusd=-(2**63) + 1),
            exchange(2, user="ü\n", cost_pusd=None, prompt_hash="f" * 16, trace_id="ab" * 16),
        ]
    )
    load()
    with Ledger.open(state) as ledger:
        return list(ledger.events(0, 10**10))


def test_jsonl_is_an_object_for_each_event(events: list[dict[str, Any]]) -> None:
    output = io.BytesIO()
    assert export.write_jsonl(events, output) == 3
    tried, first, second = map(json.loads, output.getvalue().splitlines())
    assert tuple(first) == export.COLUMNS
    assert (tried["event_id"], tried["is_final"], tried["reason"]) == (
        f"{exchange(1)['id']}/0",
        False,
        "overloaded",
    )
    assert first["tags"] == {"team": 'a,"b"'}
    assert (first["cost_pusd"], first["cost_usd"]) == (-(2**63) + 1, "-9223372.036854775807")
    assert (second["cost_pusd"], second["cost_usd"], second["user"]) == (None, None, "ü\n")
    assert (second["prompt_hash"], second["trace_id"]) == ("f" * 16, "ab" * 16)


def test_csv_reads_back(events: list[dict[str, Any]]) -> None:
    output = io.BytesIO()
    assert export.write_csv(events, output) == 3
    rows = list(csv.DictReader(io.StringIO(output.getvalue().decode(), newline="")))
    assert tuple(rows[0]) == export.COLUMNS
    assert [row["is_final"] for row in rows] == ["0", "1", "1"]
    assert rows[1]["tags"] == json.dumps({"team": 'a,"b"'})
    assert (rows[2]["user"], rows[2]["cost_usd"]) == ("ü\n", "")


def test_parquet_has_types(events: list[dict[str, Any]]) -> None:
    output = io.BytesIO()
    assert export.write_parquet(events, output) == 3
    table = parquet.read_table(io.BytesIO(output.getvalue()))
    assert tuple(table.column_names) == export.COLUMNS
    rows = table.to_pylist()
    assert (rows[1]["cost_pusd"], rows[1]["is_final"], rows[2]["cost_pusd"]) == (-(2**63) + 1, True, None)
    assert {str(table.schema.field(name).type) for name in ("cost_pusd", "input_tokens")} == {"int64"}


def test_without_pyarrow_parquet_says_what_to_install(
    events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(export.ExtraMissing, match=r"pip install 'fastgate\[parquet\]'"):
        export.write_parquet(events, io.BytesIO())
