"""The paths of the admin API: what each takes, who may use it, what it does."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

import msgspec

from fastgate import __version__
from fastgate.admin.access import Caller, Request, Role
from fastgate.admin.answers import JSON, Answer, Refused, json
from fastgate.admin.costs import costs
from fastgate.admin.limits import list_limits, list_raises, start_raise, stop_raise
from fastgate.config import Config
from fastgate.errors import FastgateError

if TYPE_CHECKING:
    from fastgate.drills.running import Drills
    from fastgate.limits.watching import Limits

# A report that takes longer is asked for again.
REPORT_WAIT_S = 5.0
_REPORT_STEP_S = 0.05

audit = logging.getLogger("fastgate.audit")


class Engine(Protocol):
    """What the admin API asks of `_core.Engine`."""

    def statistics(self) -> dict[str, int]: ...
    def metrics(self, accept: bytes | None = None) -> tuple[str, str]: ...
    def health(self) -> bytes: ...
    def explain(self, asking: bytes) -> bytes: ...


class Gateway(Protocol):
    """What the admin API asks of `control.ControlPlane`."""

    config: Config
    generation: int
    started_s: float
    admin_address: str | None

    @property
    def engine(self) -> Any: ...
    @property
    def file(self) -> Path | None: ...
    @property
    def drills(self) -> "Drills": ...
    @property
    def limits(self) -> "Limits": ...
    def tables(self) -> bytes: ...
    def apply(self) -> list[str]: ...


class Call(msgspec.Struct, frozen=True):
    """A request on its way to its handler."""

    gateway: Any
    request: Request
    caller: Caller
    parts: tuple[str, ...]
    """What stands in the path where the route has a `*`."""

    @property
    def engine(self) -> Engine:
        """The gateway's engine."""
        engine: Engine = self.gateway.engine
        return engine

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            Refused: It is none.
        """
        try:
            return msgspec.json.decode(self.request.body)
        except msgspec.DecodeError as error:
            raise Refused(400, "invalid_json", f"the body is no JSON: {error}") from None

    def note(self, what: str) -> None:
        """Write down who changed what. Names come from clients, so no line break of theirs gets in."""
        name = self.caller.name or "?"
        audit.info("%s: %s", name, "".join(c if c.isprintable() else "?" for c in what))


Handler = Callable[[Call], Awaitable[Answer]]


class Route(msgspec.Struct, frozen=True):
    """One path and method."""

    method: str
    path: str
    """A `*` stands for any one segment."""
    role: Role
    handler: Handler


async def status(call: Call) -> Answer:
    """What runs, since when, with which configuration."""
    gateway, counts = call.gateway, call.engine.statistics()
    return json(
        {
            "version": __version__,
            "uptime_s": int(time.monotonic() - gateway.started_s),
            "configuration": {
                "file": str(gateway.file) if gateway.file else None,
                "generation": gateway.generation,
            },
            "in_flight": counts["in_flight"],
            "connections": counts["connections"],
        }
    )


async def metrics(call: Call) -> Answer:
    """The metrics page, for scrapers that need a token."""
    kind, page = call.engine.metrics(call.request.header(b"accept"))
    return Answer(200, page.encode(), ((b"content-type", kind.encode()),))


async def providers(call: Call) -> Answer:
    """The health of every provider and deployment."""
    return Answer(200, call.engine.health())


async def provider(call: Call) -> Answer:
    """The health of one provider and its deployments."""
    (wanted,) = call.parts
    health = msgspec.json.decode(call.engine.health())
    found = next((entry for entry in health["providers"] if entry["id"] == wanted), None)
    if found is None:
        raise Refused(404, "unknown_provider", f"there is no provider {wanted}")
    return json(found)


async def explain(call: Call) -> Answer:
    """Where a request would go, and why."""
    call.json()
    try:
        return Answer(200, await asyncio.to_thread(call.engine.explain, call.request.body))
    except ValueError as error:
        raise Refused(400, "invalid_request", str(error)) from None


async def reload(call: Call) -> Answer:
    """Read the configuration again."""
    try:
        waiting = await asyncio.to_thread(call.gateway.apply)
    except (FastgateError, ValueError, OSError) as error:
        call.note("reload, which was rejected")
        raise Refused(422, "configuration_rejected", str(error)) from None
    call.note("reload")
    return json({"generation": call.gateway.generation, "needs_restart": waiting})


async def list_drills(call: Call) -> Answer:
    """Every drill."""
    return json({"drills": call.gateway.drills.all()})


async def start_drill(call: Call) -> Answer:
    """Begin a drill now."""
    asked = call.json()
    if not isinstance(asked, dict):
        raise Refused(400, "invalid_drill", "a drill is a JSON object")
    return await asyncio.to_thread(_start_drill, call, asked)


def _start_drill(call: Call, asked: dict[str, Any]) -> Answer:
    from fastgate.drills.alternatives import warnings

    drills = call.gateway.drills
    drill = drills.start(asked, by=call.caller.name)
    call.note(f"started drill {drill}")
    # Credentials stand in the tables; nothing of them is kept.
    tables = msgspec.json.decode(call.gateway.tables())
    names = list(call.gateway.config.settings.models) or [
        name for name, route in tables["models"].items() if route["listed"]
    ]
    return json({"drill": drills.find(drill.id), "warnings": warnings(tables, drill.provider, names)}, 201)


async def stop_drill(call: Call) -> Answer:
    """End a drill before its time."""
    (drill_id,) = call.parts
    drill = await asyncio.to_thread(call.gateway.drills.stop, drill_id, call.caller.name or "?")
    call.note(f"stopped drill {drill_id}")
    return json({"drill": drill})


async def drill_report(call: Call) -> Answer:
    """What a drill has done; 202 while that is being found out."""
    (drill_id,) = call.parts
    ends_s = time.monotonic() + REPORT_WAIT_S
    while True:
        report = call.gateway.drills.report(drill_id)
        if report is not None:
            return Answer(200, report)
        if time.monotonic() >= ends_s:
            body = msgspec.json.encode({"state": "being made"})
            return Answer(202, body, (JSON, (b"retry-after", b"1")))
        await asyncio.sleep(_REPORT_STEP_S)


ROUTES = (
    Route("GET", "/metrics", Role.viewer, metrics),
    Route("GET", "/admin/status", Role.viewer, status),
    Route("GET", "/admin/providers", Role.viewer, providers),
    Route("GET", "/admin/providers/*", Role.viewer, provider),
    Route("POST", "/admin/routes/explain", Role.viewer, explain),
    Route("GET", "/admin/drills", Role.viewer, list_drills),
    Route("POST", "/admin/drills", Role.operator, start_drill),
    Route("DELETE", "/admin/drills/*", Role.operator, stop_drill),
    Route("GET", "/admin/drills/*/report", Role.viewer, drill_report),
    Route("GET", "/admin/limits", Role.viewer, list_limits),
    Route("GET", "/admin/limits/raises", Role.viewer, list_raises),
    Route("POST", "/admin/limits/raises", Role.operator, start_raise),
    Route("DELETE", "/admin/limits/raises/*", Role.operator, stop_raise),
    Route("GET", "/admin/costs", Role.viewer, costs),
    Route("POST", "/admin/reload", Role.operator, reload),
)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """The route of a request, and what stands for its `*`.

    Raises:
        Refused: The path does not exist, or takes another method.
    """
    segments = path.split("/")
    allowed = []
    for route in ROUTES:
        pattern = route.path.split("/")
        if len(pattern) != len(segments):
            continue
        pairs = list(zip(pattern, segments, strict=True))
        if all(wanted in ("*", segment) for wanted, segment in pairs):
            if method == route.method or (method == "HEAD" and route.method == "GET"):
                return route, tuple(unquote(segment) for wanted, segment in pairs if wanted == "*")
            allowed.append(route.method)
    if not allowed:
        raise Refused(404, "not_found", "there is nothing at this path")
    names = ", ".join(allowed)
    raise Refused(405, "method_not_allowed", f"this path takes {names}", ((b"allow", names.encode()),))
