"""No client's credential travels upstream, no provider's comes back."""

import json

import pytest
from tests.blackbox.configuration import KEY, PROVIDER_KEY, SECRETS
from tests.blackbox.gateway import Answer, Gateway, chat_body
from tests.blackbox.upstream import Upstream

# How vendors quote a key in an error: whole, its first and last letters, letters and stars.
QUOTES = [
    PROVIDER_KEY,
    f"{PROVIDER_KEY[:8]}{'*' * 20}{PROVIDER_KEY[-4:]}",
    f"{PROVIDER_KEY[:12]}...",
]


def assert_no_secret(answer: Answer) -> None:
    text = answer.body.decode() + json.dumps(answer.headers)
    assert not [secret for secret in SECRETS if secret in text]


def test_the_provider_gets_its_own_key_and_no_other(gateway: Gateway, upstream: Upstream) -> None:
    headers = {
        "authorization": f"Bearer {KEY}",
        "x-api-key": KEY,
        "api-key": KEY,
        "x-goog-api-key": KEY,
        "cookie": f"session={KEY}",
        "proxy-authorization": f"Basic {KEY}",
        "openai-organization": KEY,
        "x-forwarded-for": "203.0.113.9",
        "x-fastgate-user": "somebody",
    }
    assert gateway.chat(chat_body(), headers).status == 200
    seen = upstream.only()
    assert seen.header("authorization") == f"Bearer {PROVIDER_KEY}"
    assert [name for name, _ in seen.headers].count("authorization") == 1
    assert not [(name, value) for name, value in seen.headers if KEY in value]
    names = {name for name, _ in seen.headers}
    assert not names & {"cookie", "x-forwarded-for", "x-fastgate-user", "x-api-key", "proxy-authorization"}


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("status", [401, 407])
def test_refused_credentials_of_the_gateway_are_not_the_clients_fault(
    gateway: Gateway, upstream: Upstream, status: int, quote: str
) -> None:
    said = {"message": f"Incorrect API key provided: {quote}.", "type": "x", "code": "invalid_api_key"}
    upstream.script(status=status, body={"error": said}, headers={"x-echo": PROVIDER_KEY})
    answer = gateway.chat(chat_body())
    assert answer.status == 502
    assert quote not in answer.body.decode()
    assert PROVIDER_KEY[-4:] not in answer.body.decode()
    assert "x-echo" not in answer.headers
    assert answer.error()["message"]
    assert_no_secret(answer)


@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_a_key_quoted_in_any_error_is_taken_out(gateway: Gateway, upstream: Upstream, status: int) -> None:
    upstream.script(status=status, body={"error": {"message": f"key {PROVIDER_KEY} may not do this"}})
    answer = gateway.chat(chat_body())
    assert answer.status == status
    assert "may not do this" in answer.json()["error"]["message"]
    assert_no_secret(answer)


def test_a_key_quoted_in_a_large_error_is_taken_out(gateway: Gateway, upstream: Upstream) -> None:
    padding = "x" * (2 << 20)
    upstream.script(status=500, body={"error": {"message": f"{padding} {PROVIDER_KEY} {padding}"}})
    assert_no_secret(gateway.chat(chat_body()))


def test_a_key_quoted_in_an_error_event_is_taken_out(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(
        content="some words", error_event="events:2", error={"message": f"bad key {PROVIDER_KEY}"}
    )
    answer = gateway.chat(chat_body(stream=True))
    assert b"bad key" in answer.body
    assert_no_secret(answer)


def test_account_headers_stay_behind(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(
        headers={
            "set-cookie": "__cf=1",
            "openai-organization": "org-of-the-operator",
            "openai-project": "proj_1",
            "server": "vendor",
            "x-request-id": "req_9",
            "x-ratelimit-remaining-requests": "12",
        }
    )
    answer = gateway.chat(chat_body())
    assert answer.headers["x-request-id"] == "req_9"
    assert answer.headers["x-ratelimit-remaining-requests"] == "12"
    assert not answer.headers.keys() & {"set-cookie", "openai-organization", "openai-project"}
    assert answer.headers.get("server") != "vendor"
