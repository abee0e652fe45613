"""The admin API's paths about limits: how they stand, and raises."""

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastgate.admin.answers import Answer, Refused, json

if TYPE_CHECKING:
    from fastgate.admin.routes import Call


async def list_limits(call: "Call") -> Answer:
    """How counts stand, those that are used up most first, and the raises in force."""
    from fastgate.limits.watching import read_query

    try:
        text = call.request.query.decode("ascii")
        query = read_query(parse_qs(text, keep_blank_values=True, max_num_fields=20, errors="strict"))
        # To look through a million counts takes a while.
        standings = await asyncio.to_thread(call.gateway.limits.standings, query)
    except ValueError as error:
        raise Refused(400, "invalid_query", str(error)) from None
    in_force = [raised for raised in call.gateway.limits.raises() if raised["state"] == "in force"]
    return json({"limits": standings, "raises": in_force})


async def list_raises(call: "Call") -> Answer:
    """Every raise: those in force, then those that are over."""
    return json({"raises": call.gateway.limits.raises()})


async def start_raise(call: "Call") -> Answer:
    """Raise a limit for a while."""
    asked = call.json()
    if not isinstance(asked, dict):
        raise Refused(400, "invalid_raise", "a raise is a JSON object")
    raised = await asyncio.to_thread(call.gateway.limits.start_raise, asked, by=call.caller.name)
    call.note(f"raised limit {raised}")
    return json({"raise": {**raised.shown(), "state": "in force"}}, 201)


async def stop_raise(call: "Call") -> Answer:
    """End a raise before its time."""
    (raise_id,) = call.parts
    raised = await asyncio.to_thread(call.gateway.limits.stop_raise, raise_id, call.caller.name or "?")
    call.note(f"ended raise {raise_id} of limit {raised['rule']}")
    return json({"raise": raised})
