"""What only an ASGI application can meet: a mount, no lifespan, a client that the server names."""

import pytest
from tests.blackbox import configuration, gateway
from tests.blackbox.configuration import KEY
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, Gateway, chat_body, fetch
from tests.blackbox.gateway import MOUNT_PREFIX as PREFIX
from tests.blackbox.upstream import Upstream

JSON = {"content-type": "application/json"}


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> str:
    """A door that is an application with the gateway under a prefix, on a server that offers no lifespan."""
    command = [
        "tests.blackbox.mounted:app" if part == "fastgate.asgi:app" else part
        for part in gateway.DOORS["uvicorn"]
    ]
    monkeypatch.setitem(gateway.DOORS, "mounted", [*command, "--lifespan=off"])
    monkeypatch.setattr(gateway, "READY", {"mounted": f"{PREFIX}/readyz"})
    return "mounted"


def test_mounted_under_a_prefix(mounted: str, start: Start, upstream: Upstream) -> None:
    upstream.script(content="one two three")
    app = start(mounted, configuration.open_provider(upstream.base_url))
    key = {"authorization": f"Bearer {KEY}", **JSON}
    for stream in (False, True):
        answer = fetch(app.port, "POST", PREFIX + CHAT, chat_body(stream=stream), key)
        assert answer.status == 200, answer.body
    assert [seen.path for seen in upstream.seen()] == [CHAT, CHAT]
    assert fetch(app.port, "GET", f"{PREFIX}/v1/models", None, key).status == 200
    assert fetch(app.port, "GET", f"{PREFIX}/nothing", None, key).status == 404
    assert fetch(app.port, "GET", "/", None, key).body == b"the application's own page"


def test_a_keyless_gateway_believes_no_far_client(mounted: str, start: Start, upstream: Upstream) -> None:
    app = start(mounted, configuration.keyless(upstream.base_url), key=None)
    body = chat_body()
    assert fetch(app.port, "POST", PREFIX + CHAT, body, JSON).status == 200
    upstream.script()
    for more in (
        {"x-test-far-away": "1"},
        {"x-test-no-client": "1"},
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
    ):
        answer = fetch(app.port, "POST", PREFIX + CHAT, body, {**JSON, **more})
        assert answer.status == 403, more
        answer.error()
        assert fetch(app.port, "GET", f"{PREFIX}/v1/models", None, more).status == 403, more
    assert upstream.seen() == []


def test_with_keys_a_far_client_is_served(mounted: str, start: Start, upstream: Upstream) -> None:
    app = start(mounted, configuration.open_provider(upstream.base_url))
    key = {"authorization": f"Bearer {KEY}", "x-test-far-away": "1", **JSON}
    assert fetch(app.port, "POST", PREFIX + CHAT, chat_body(), key).status == 200


def test_serve_runs_the_asgi_door(start: Start, upstream: Upstream) -> None:
    upstream.script(content="one two three")
    served: Gateway = start("serve-asgi", configuration.open_provider(upstream.base_url))
    assert served.chat(chat_body()).status == 200
    assert served.chat(chat_body(stream=True)).body.endswith(b"data: [DONE]\n\n")
