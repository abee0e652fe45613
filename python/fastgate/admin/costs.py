"""`GET /admin/costs`: the report of `fastgate costs --format json`.

Reading the ledger takes a thread, so no other question waits for it. There are few such threads: who asks
beyond them is told to come again.
"""

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from fastgate.admin.answers import Answer, Refused, json
from fastgate.billing.reports.query import FILTERS

if TYPE_CHECKING:
    from fastgate.admin.routes import Call
    from fastgate.billing.reports.asking import Asked

AT_ONCE = 2
# The engine gives up on an answer after 10 seconds.
LIMIT_S = 9.0
# A question has one of each of these, and any number of names to keep.
_ONCE = ("by", "since", "until", "time_zone", "sort", "top", "debug_features")
_MOST_FIELDS = 200

_places = threading.BoundedSemaphore(AT_ONCE)


async def costs(call: "Call") -> Answer:
    """A report of costs."""
    asked = asked_in(call.request.query)
    if not _places.acquire(blocking=False):
        raise Refused(
            503, "overloaded", f"{AT_ONCE} reports are being made; ask again", ((b"retry-after", b"1"),)
        )
    making = asyncio.get_running_loop().run_in_executor(None, _make, asked, call.gateway.config)
    try:
        return json(await asyncio.wait_for(asyncio.shield(making), LIMIT_S))
    except TimeoutError:
        # Nobody waits for it any more: what it ends with is of no matter.
        making.add_done_callback(asyncio.Future.exception)
        raise Refused(
            503,
            "report_too_slow",
            f"the report takes more than {LIMIT_S:g} seconds: ask for less time, or use `fastgate costs`",
        ) from None


def asked_in(query: bytes) -> "Asked":
    """What a query string asks for.

    Raises:
        Refused: It has a field that is unknown, or twice.
    """
    from fastgate.billing.reports.asking import Asked

    try:
        found = parse_qs(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise Refused(400, "unfit_report", f"the query can't be read: {error}") from None
    fields: dict[str, Any] = {}
    for name, values in found.items():
        if name not in (*_ONCE, *FILTERS):
            known = ", ".join((*_ONCE, *FILTERS))
            raise Refused(400, "unfit_report", f"there is no {name[:40]!r}; there are {known}")
        if name in _ONCE:
            if len(values) > 1:
                raise Refused(400, "unfit_report", f"{name} is there {len(values)} times")
            fields[name] = values[0]
    return Asked(**fields, where={name: values for name, values in found.items() if name in FILTERS})


def _make(asked: "Asked", config: Any) -> dict[str, Any]:
    from fastgate.billing.ledger import Ledger
    from fastgate.billing.reports.asking import make, sources
    from fastgate.billing.reports.documents import document

    try:
        state_dir = Path(config.resolve(config.settings.server.state_dir))
        with Ledger.open(state_dir) as ledger:
            return document(make(asked, ledger, sources(state_dir, config), int(time.time())))
    finally:
        # The thread holds its place as long as it works, whether somebody still waits or not.
        _places.release()
