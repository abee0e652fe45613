"""The admin API as an ASGI application: every path, every refusal, over a gateway whose parts are in hand."""

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.admin.conftest import (
    ADMIN,
    OPERATOR,
    TABLES,
    VIEWER,
    Answer,
    FakeGateway,
    GatewayEngine,
    configuration,
)
from tests.drills.conftest import FakeChild

import fastgate
import fastgate.admin
from fastgate._core import Engine
from fastgate.admin import routes
from fastgate.admin.application import BODY_BYTES, Application
from fastgate.admin.routes import ROUTES
from fastgate.control import ControlPlane
from fastgate.drills.reports import Reports
from fastgate.errors import ConfigError

MANUAL = Path(__file__).parents[2] / "docs" / "admin.md"


class Api:
    """The application, asked as a server would."""

    def __init__(self, state_dir: Path) -> None:
        self.engine = GatewayEngine(Engine(TABLES.read_bytes()))
        self.gateway: FakeGateway | None = FakeGateway(self.engine, state_dir)
        self.children: list[FakeChild] = []
        self.gateway.drills.reports = Reports(state_dir, self._spawn)
        self.application = Application(lambda: self.gateway)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        **scope: Any,
    ) -> Answer:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        pairs = [(b"host", b"localhost")]
        pairs += [(b"authorization", f"Bearer {token}".encode())] if token else []
        pairs += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        whole = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": pairs,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            **scope,
        }
        pieces = [content[:3], content[3:]]
        sent: list[Any] = []

        async def receive() -> Any:
            if not pieces:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.application(whole, receive, send))
        head, *chunks = sent
        names = {name.decode(): value.decode() for name, value in head["headers"]}
        return Answer(head["status"], names, b"".join(chunk["body"] for chunk in chunks))

    def _spawn(self, arguments: Any) -> FakeChild:
        self.children.append(FakeChild(arguments))
        return self.children[-1]


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


DRILL = {"provider": "anthropic", "percent": 10, "tenant": "staging", "for": "1h"}


def test_status(api: Api) -> None:
    answer = api.ask("GET", "/admin/status")
    assert answer.status == 200
    status = answer.json()
    assert status.pop("uptime_s") >= 0
    assert status == {
        "version": fastgate.__version__,
        "configuration": {"file": "/etc/fastgate.toml", "generation": 3},
        "in_flight": 0,
        "connections": 0,
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(len(answer.body))


def test_providers_are_the_engines_to_tell(api: Api) -> None:
    health = api.engine.health()
    answer = api.ask("GET", "/admin/providers")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, health, "application/json")


def test_one_provider_comes_with_its_deployments(api: Api) -> None:
    assert api.ask("GET", "/admin/providers/anthropic").json() == {
        "id": "anthropic",
        "deployments": [{"id": "opus", "state": "open"}],
    }
    assert api.ask("GET", "/admin/providers/x%20y").json()["deployments"][0]["id"] == "gpt"
    answer = api.ask("GET", "/admin/providers/nobody")
    assert (answer.status, answer.code()) == (404, "unknown_provider")


def test_explaining_hands_the_question_to_the_engine(api: Api) -> None:
    asking = {"request": {"model": "chat"}, "tenant": "staging"}
    answer = api.ask("POST", "/admin/routes/explain", asking)
    assert (answer.status, answer.json()) == (200, {"chain": ["opus"]})
    assert json.loads(api.engine.explained[0]) == asking
    answer = api.ask("POST", "/admin/routes/explain", {"tenant": "staging"})
    assert (answer.status, answer.code()) == (400, "invalid_request")
    answer = api.ask("POST", "/admin/routes/explain", b"{")
    assert (answer.status, answer.code()) == (400, "invalid_json")


def test_a_drill_from_its_start_to_its_report(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    assert api.gateway is not None
    caplog.set_level(logging.INFO, "fastgate.audit")
    assert api.ask("GET", "/admin/drills").json() == {"drills": []}
    answer = api.ask("POST", "/admin/drills", DRILL, token=OPERATOR)
    assert answer.status == 201
    drill = answer.json()["drill"]
    assert (drill["state"], drill["percent"], drill["tenants"]) == ("running", 10, ["staging"])
    assert drill["started_by"] == "alice"
    (warning,) = answer.json()["warnings"]
    assert "stands in for: chat" in warning
    assert b"secret" not in answer.body
    assert api.engine.drills.ids() == [drill["id"]]
    again = api.ask("POST", "/admin/drills", DRILL, token=OPERATOR)
    assert (again.status, again.code()) == (409, "drill_overlaps")
    assert [entry["id"] for entry in api.ask("GET", "/admin/drills").json()["drills"]] == [drill["id"]]
    stopped = api.ask("DELETE", f"/admin/drills/{drill['id']}", token=ADMIN)
    assert stopped.json()["drill"]["why"].startswith("stopped by ")
    assert api.engine.drills.drills == []
    answer = api.ask("DELETE", f"/admin/drills/{drill['id']}", token=OPERATOR)
    assert (answer.status, answer.code()) == (409, "drill_is_over")
    answer = api.ask("DELETE", "/admin/drills/nope", token=OPERATOR)
    assert (answer.status, answer.code()) == (404, "unknown_drill")
    said = [record.message for record in caplog.records if record.name == "fastgate.audit"]
    assert said[0] == f"alice: started drill {drill['id']}: 10 % of anthropic of tenant staging"
    assert said[1].endswith(f": stopped drill {drill['id']}")
    assert len(said) == 2, "what was refused changed nothing"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"provider": "nobody"}, "unknown_provider"),
        ({"tenant": "nobody"}, "unknown_tenant"),
        ({"percent": 101}, "invalid_drill"),
        ({"nonsense": 1}, "invalid_drill"),
    ],
)
def test_drills_that_can_not_be(api: Api, wrong: dict[str, Any], code: str) -> None:
    answer = api.ask("POST", "/admin/drills", {**DRILL, **wrong}, token=OPERATOR)
    assert (answer.status, answer.code()) == (400, code)
    answer = api.ask("POST", "/admin/drills", [], token=OPERATOR)
    assert (answer.status, answer.code()) == (400, "invalid_drill")


def test_a_report_is_waited_for_a_while(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.gateway is not None
    monkeypatch.setattr(routes, "REPORT_WAIT_S", 0)
    drill_id = api.ask("POST", "/admin/drills", DRILL, token=OPERATOR).json()["drill"]["id"]
    path = f"/admin/drills/{drill_id}/report"
    answer = api.ask("GET", path)
    assert (answer.status, answer.headers["retry-after"]) == (202, "1")
    api.gateway.drills._folder.report(drill_id).write_text('{"is_final": false}')
    api.children[0].code = 0
    answer = api.ask("GET", path)
    assert (answer.status, answer.json()) == (200, {"is_final": False})
    answer = api.ask("GET", "/admin/drills/nope/report")
    assert (answer.status, answer.code()) == (404, "unknown_drill")


def test_reloading(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    assert api.gateway is not None
    caplog.set_level(logging.INFO, "fastgate.audit")
    answer = api.ask("POST", "/admin/reload", token=OPERATOR)
    assert (answer.status, answer.json()) == (200, {"generation": 4, "needs_restart": ["server.listen"]})
    api.gateway.rejects = ConfigError("unknown setting", path="server.listn", file="f.toml", line=3)
    answer = api.ask("POST", "/admin/reload", token=OPERATOR)
    assert (answer.status, answer.code()) == (422, "configuration_rejected")
    assert answer.json()["error"]["message"] == "f.toml:3: server.listn: unknown setting"
    assert [record.message for record in caplog.records] == [
        "alice: reload",
        "alice: reload, which was rejected",
    ]


def test_metrics_come_with_a_token(api: Api) -> None:
    elsewhere: dict[str, Any] = {"client": ("10.0.0.1", 5)}
    assert api.ask("GET", "/metrics", **elsewhere).code() == "token_needed"
    answer = api.ask("GET", "/metrics", token=VIEWER, **elsewhere)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"fastgate_build_info" in answer.body


CHANGES = [
    route for route in ROUTES if route.method not in ("GET",) and route.path != "/admin/routes/explain"
]


@pytest.mark.parametrize("route", CHANGES, ids=lambda route: f"{route.method} {route.path}")
def test_every_change_takes_the_role(api: Api, route: Any) -> None:
    assert api.gateway is not None
    path = route.path.replace("*", "x")
    answer = api.ask(route.method, path)
    assert (answer.status, answer.code()) == (401, "token_needed")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = api.ask(route.method, path, token=VIEWER)
    assert (answer.status, answer.code()) == (403, "role_too_low")
    api.gateway.config = configuration(tokens=False)
    answer = api.ask(route.method, path)
    assert (answer.status, answer.code()) == (403, "no_tokens")
    assert "fastgate keys create --admin" in answer.json()["error"]["message"]
    assert api.engine.drills.told == 0
    assert api.gateway.generation == 3


def test_tokens_of_a_new_configuration_count_at_once(api: Api) -> None:
    assert api.gateway is not None
    assert api.ask("GET", "/admin/status", token=VIEWER).status == 200
    api.gateway.config = configuration(tokens=False)
    assert api.ask("GET", "/admin/status", token=VIEWER).code() == "invalid_token"


def test_paths_and_methods(api: Api) -> None:
    for path in ("/", "/admin", "/admin/", "/admin/nope", "/admin/drills/a/b/c", "//admin/status"):
        answer = api.ask("GET", path)
        assert (answer.status, answer.code()) == (404, "not_found"), path
    answer = api.ask("PUT", "/admin/drills")
    assert (answer.status, answer.code(), answer.headers["allow"]) == (405, "method_not_allowed", "GET, POST")
    answer = api.ask("HEAD", "/admin/status")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_who_may_not_ask_is_not_told_what_there_is(api: Api) -> None:
    answer = api.ask("GET", "/admin/nope", client=("10.0.0.1", 5))
    assert answer.code() == "token_needed"


def test_mounted_below_a_path(api: Api) -> None:
    for raw_path in (b"/ops/admin/status", b"/admin/status", None):
        answer = api.ask("GET", "/ops/admin/status", raw_path=raw_path, root_path="/ops")
        assert answer.status == 200, raw_path


def test_a_unix_sockets_client_is_on_this_machine(api: Api) -> None:
    assert api.ask("GET", "/admin/status", client=None, server=("/run/s", None)).status == 200
    assert api.ask("GET", "/admin/status", client=None).code() == "token_needed"


def test_bodies_have_a_bound(api: Api) -> None:
    answer = api.ask("POST", "/admin/routes/explain", b" " * (BODY_BYTES + 1))
    assert (answer.status, answer.code()) == (413, "request_too_large")


def test_what_breaks_is_logged_and_not_told(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bytes:
        raise RuntimeError("sk-secret")

    api.engine.health = fail  # type: ignore[method-assign]  # that is the point
    answer = api.ask("GET", "/admin/providers")
    assert (answer.status, answer.code()) == (500, "internal_error")
    assert b"sk-secret" not in answer.body
    assert "GET /admin/providers failed" in caplog.text


def test_a_client_that_leaves_is_no_error(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pytest.fail("nobody listens")

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/admin/status",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(api.application(scope, receive, send))
    assert caplog.text == ""


def test_the_log_of_changes_has_one_line_for_each(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fastgate.audit")
    api.ask("POST", "/admin/drills", {**DRILL, "feature": "x\nroot: did this"}, token=OPERATOR)
    (record,) = [record for record in caplog.records if record.name == "fastgate.audit"]
    assert "\n" not in record.message
    assert record.message.startswith("alice: ")


def test_without_a_gateway(api: Api) -> None:
    api.gateway = None
    answer = api.ask("GET", "/admin/status")
    assert (answer.status, answer.code()) == (503, "no_gateway")


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_other_scopes_are_none_of_its_business(api: Api, kind: str) -> None:
    with pytest.raises(RuntimeError, match="no such ASGI scope"):
        api.ask("GET", "/", type=kind)


def test_the_application_finds_the_gateway_of_this_process(api: Api, tmp_path: Path) -> None:
    api.application = fastgate.admin.app
    settings = {"server": {"state_dir": str(tmp_path / "state"), "admin": "off"}}
    control = ControlPlane(None, {}, values=settings)
    try:
        assert api.ask("GET", "/admin/status").json()["configuration"]["file"] is None
    finally:
        control.close(0)
    assert ControlPlane.of_this_process() is not control
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        _ = fastgate.admin.nope


def test_the_manual_tells_of_every_path() -> None:
    manual = MANUAL.read_text()
    for route in ROUTES:
        path = route.path.replace("*", "{id}")
        assert f"| `{route.method} {path}` | {route.role.name} |" in manual, path
