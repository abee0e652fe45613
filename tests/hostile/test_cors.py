"""What browsers are told, at every door."""

import pytest
from tests.blackbox import configuration
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, Answer, Gateway, chat_body
from tests.blackbox.upstream import Upstream

APP = "https://app.example.com"
KEYED = {"authorization": f"Bearer {configuration.KEY}", "content-type": "application/json"}


def preflight(gateway: Gateway, origin: str) -> Answer:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }
    return gateway.fetch("OPTIONS", CHAT, None, asked)


def cors(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def test_nothing_unless_configured(gateway: Gateway, upstream: Upstream) -> None:
    assert preflight(gateway, APP).status == 405
    answer = gateway.chat(chat_body(), {**KEYED, "origin": APP})
    assert answer.status == 200
    assert cors(answer) == {}
    assert "vary" not in answer.headers


@pytest.mark.parametrize(("allowed", "granted"), [(APP, APP), ("*", "*")])
def test_a_listed_origin(door: str, start: Start, upstream: Upstream, allowed: str, granted: str) -> None:
    gateway = start(
        door, configuration.open_provider(upstream.base_url), settings=f'allowed_origins = ["{allowed}"]\n'
    )
    asked = preflight(gateway, APP)
    assert (asked.status, asked.body) == (204, b"")
    assert cors(asked) == {
        "access-control-allow-origin": granted,
        "access-control-allow-methods": "GET, POST, DELETE",
        "access-control-allow-headers": "authorization,content-type,x-stainless-os",
        "access-control-max-age": "600",
    }
    for stream in (False, True):
        answer = gateway.chat(chat_body(stream=stream), {**KEYED, "origin": APP})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == granted
        assert "x-fastgate-request-id" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers.get("vary") == (None if allowed == "*" else "Origin")
    # A page may read why it was refused, too.
    assert gateway.chat(chat_body(), {"origin": APP}).headers["access-control-allow-origin"] == granted
    other = "https://app.example.com.evil.example"
    if allowed == "*":
        return
    refused = preflight(gateway, other)
    assert (refused.status, refused.error()["code"], cors(refused)) == (403, "origin_not_allowed", {})
    unnamed = gateway.chat(chat_body(), {**KEYED, "origin": other})
    assert (unnamed.status, cors(unnamed), unnamed.headers["vary"]) == (200, {}, "Origin")
