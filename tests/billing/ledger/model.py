"""What a ledger must answer, by going through every record for every question: slow, and easy to believe."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from fastgate.billing.ledger.schema import NAMED, TOKEN_CLASSES

Event = dict[str, Any]
_FORMATS = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d", "month": "%Y-%m"}


def events(records: Iterable[dict[str, Any]]) -> list[Event]:
    """The events of records without equal ids."""
    found = list[Event]()
    prompts = set[tuple[Any, ...]]()
    for record in records:
        names: dict[str, Any] = {name: record.get(name) for name in NAMED}
        common = {**names, "started_unix_us": record["started_unix_us"], "prompt": None}
        if record.get("type") == "correction":
            found.append(
                {
                    **common,
                    "outcome": "correction",
                    "cost": record["cost_pusd"],
                    "is_final": False,
                    "is_correction": True,
                    "calls": 0,
                }
            )
            continue
        prompt = record.get("prompt_hash")
        key = (record.get("tenant"), prompt, record["started_unix_us"] // 86_400_000_000)
        is_repeat = prompt is not None and key in prompts
        prompts.add(key)
        trail = record.get("trail", ())
        for tried in trail:
            found.append(
                {
                    **common,
                    "deployment": tried.get("deployment"),
                    "provider": tried.get("provider"),
                    "provider_model": None,
                    "outcome": "attempt_failed",
                    "fault": None,
                    "cost": tried.get("cost_pusd", None if "usage" in tried else 0),
                    "usage": tried.get("usage") or {},
                    "is_final": False,
                    "is_correction": False,
                    "is_repeat": is_repeat,
                    "calls": 1,
                }
            )
        found.append(
            {
                **common,
                "cost": record.get("cost_pusd"),
                "list_cost": record.get("list_cost_pusd"),
                "saved": record.get("saved_pusd") or 0,
                "usage": record.get("usage") or {},
                "is_final": True,
                "is_correction": False,
                "is_truncated": record.get("truncated", False),
                "is_estimated": record.get("usage_estimated", False),
                "is_repeat": is_repeat,
                "calls": record["attempts"] - len(trail),
            }
        )
    return found


def summary(
    found: Iterable[Event],
    by: Sequence[str],
    since_unix_s: int,
    until_unix_s: int,
    where: dict[str, list[str | None]],
) -> dict[tuple[str | None, ...], dict[str, int]]:
    """Sums by group; `sessions` is a number too."""
    groups: dict[tuple[str | None, ...], dict[str, int]] = {}
    sessions: dict[tuple[str | None, ...], set[tuple[str | None, str]]] = {}
    for event in found:
        if not since_unix_s * 1_000_000 <= event["started_unix_us"] < until_unix_s * 1_000_000:
            continue
        if any(event[name] not in values for name, values in where.items()):
            continue
        key = tuple(_value(event, name) for name in by)
        sums = groups.setdefault(key, {})
        cost = event["cost"] or 0
        final, correction = event["is_final"], event["is_correction"]
        list_cost = event.get("list_cost")
        for name, amount in {
            "requests": final,
            "attempts": event["calls"],
            "failed_attempts": event["calls"] if not final and not correction else 0,
            "failed_requests": final and event["outcome"] != "answered",
            "unknown_cost_requests": event["cost"] is None,
            "unanswered_requests": final and event["outcome"] != "answered" and cost != 0,
            "truncated_requests": final and event["is_truncated"],
            "estimated_requests": final and event["is_estimated"],
            "repeated_requests": final and event["is_repeat"],
            "corrections": correction,
            "cost_pusd": cost,
            "list_cost_pusd": cost if list_cost is None else list_cost,
            "saved_pusd": event.get("saved", 0),
            "failed_attempts_cost_pusd": cost if not final and not correction else 0,
            "unanswered_cost_pusd": cost if final and event["outcome"] != "answered" else 0,
            "truncated_cost_pusd": cost if event.get("is_truncated") else 0,
            "estimated_cost_pusd": cost if event.get("is_estimated") else 0,
            "repeated_cost_pusd": cost if event.get("is_repeat") else 0,
            "corrections_pusd": cost if correction else 0,
            **{name: event.get("usage", {}).get(name, 0) for name in TOKEN_CLASSES},
        }.items():
            sums[name] = sums.get(name, 0) + int(amount)
        if event["session"] is not None:
            sessions.setdefault(key, set()).add((event["tenant"], event["session"]))
    for key, sums in groups.items():
        sums["sessions"] = len(sessions.get(key, ()))
    return groups


def _value(event: Event, name: str) -> str | None:
    if name in _FORMATS:
        moment = datetime.fromtimestamp(event["started_unix_us"] // 1_000_000, UTC)
        return moment.strftime(_FORMATS[name])
    value: str | None = event[name]
    return value
