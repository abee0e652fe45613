"""What a gateway wrote down of its exchanges, by request id."""

import json
from collections.abc import Collection
from typing import Any

from tests.blackbox.gateway import Gateway
from tests.blackbox.waiting import until

from fastgate._core import SpoolReader


def all_records(gateway: Gateway) -> list[dict[str, Any]]:
    """Every record so far, the oldest first; a damaged place fails."""
    records = []
    for payloads, problems in SpoolReader(gateway.state_dir / "spool"):
        assert [problem for problem in problems if not problem[4]] == []
        records += [json.loads(payload) for payload in payloads]
    return records


def exchanges(gateway: Gateway) -> list[dict[str, Any]]:
    """The records of exchanges alone, without reservations and corrections."""
    return [record for record in all_records(gateway) if "type" not in record]


def records_of(gateway: Gateway, request_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """The records of these requests, once all are there; two of one request fail."""
    wanted = set(request_ids)
    found: dict[str, dict[str, Any]] = {}

    def are_there() -> bool:
        records = [record for record in exchanges(gateway) if record["id"] in wanted]
        found.update((record["id"], record) for record in records)
        assert len(found) == len(records), "an exchange has two records"
        return len(found) == len(wanted)

    until(are_there, f"the records of {len(wanted)} requests")
    return found
