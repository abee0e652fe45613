"""Who is let in: the headers a key may come in, and the keys that are refused."""

import time

import openai
import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import EXPIRED_KEY, KEY, UNKNOWN_KEY
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, Gateway, chat_body
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

HEADERS = ["authorization", "x-api-key", "api-key", "x-goog-api-key"]


def in_header(name: str, key: str) -> dict[str, str]:
    return {name: f"Bearer {key}" if name == "authorization" else key}


@pytest.mark.parametrize("name", HEADERS)
def test_a_key_comes_in_any_of_four_headers(named_gateway: Gateway, upstream: Upstream, name: str) -> None:
    answer = named_gateway.chat(chat_body("chat"), in_header(name, KEY))
    assert answer.status == 200, answer.body
    assert len(upstream.seen()) == 1


@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        *(in_header(name, UNKNOWN_KEY) for name in HEADERS),
        in_header("authorization", EXPIRED_KEY),
        in_header("authorization", KEY + "x"),
        in_header("authorization", KEY[:-1]),
    ],
)
def test_anything_else_is_refused(
    named_gateway: Gateway, upstream: Upstream, headers: dict[str, str], path: str
) -> None:
    if path == CHAT:
        answer = named_gateway.chat(chat_body("chat"), headers)
    else:
        answer = named_gateway.fetch("GET", path, None, headers)
    assert answer.status == 401
    assert answer.headers["content-type"].startswith("application/json")
    if path != CHAT and "x-goog-api-key" in headers:
        # All SDKs ask for models there, and this one expects Google's errors.
        assert answer.json()["error"]["details"][0]["reason"] == "INVALID_API_KEY"
    else:
        assert answer.error()["code"] == "invalid_api_key"
    assert answer.headers["x-should-retry"] == "false"
    assert not any(secret.encode() in answer.body for secret in configuration.SECRETS)
    assert upstream.seen() == []


def test_the_sdk_sees_an_authentication_error(named_gateway: Gateway) -> None:
    with named_gateway.client(UNKNOWN_KEY) as client, pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_a_key_that_is_edited_out_is_refused_within_a_second(
    door: str, start: Start, upstream: Upstream
) -> None:
    both = configuration.open_provider(upstream.base_url) + configuration.key_table(UNKNOWN_KEY)
    gateway = start(door, both)
    assert gateway.chat(chat_body()).status == 200
    assert gateway.chat(chat_body(), in_header("x-api-key", UNKNOWN_KEY)).status == 200

    gateway.configure(configuration.open_provider(upstream.base_url))
    edited = time.monotonic()
    until(
        lambda: gateway.chat(chat_body(), in_header("x-api-key", UNKNOWN_KEY)).status == 401,
        "revocation",
        within_s=5,
    )
    assert time.monotonic() - edited <= 1.0
    assert gateway.chat(chat_body()).status == 200
