"""Which model name leads where, and what the provider is told."""

import json
from collections import Counter

import pytest
from tests.blackbox.configuration import EUROPE_KEY
from tests.blackbox.gateway import Gateway, chat_body
from tests.blackbox.upstream import Upstream


@pytest.mark.parametrize(
    ("asked", "deployment", "told"),
    [
        ("fast", "alpha", "upstream-alpha"),
        ("alpha", "alpha", "upstream-alpha"),
        ("beta", "beta", "upstream-beta"),
        ("upstream/upstream-beta", "beta", "upstream-beta"),
        ("upstream-beta", "beta", "upstream-beta"),
    ],
)
def test_names_resolve_in_order(
    named_gateway: Gateway, upstream: Upstream, asked: str, deployment: str, told: str
) -> None:
    body = f'{{ "messages": [],  "model" : "{asked}" , "user":"ü" }}'.encode()
    answer = named_gateway.chat(body)
    assert answer.status == 200, answer.body
    assert answer.headers["x-fastgate-deployment"] == deployment
    # The name is spliced: every other byte is the client's.
    assert upstream.only().body == body.replace(asked.encode(), told.encode())


def test_a_group_is_shared_by_weight(named_gateway: Gateway) -> None:
    answers = [named_gateway.chat(chat_body("chat")) for _ in range(200)]
    shares = Counter(answer.headers["x-fastgate-deployment"] for answer in answers)
    # 150 expected; 110 is more than six standard deviations away.
    assert 110 < shares["alpha"] < 190
    assert shares["beta"] == 200 - shares["alpha"]


def test_the_only_provider_serves_any_name(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.chat(chat_body("never/heard-of:it")).status == 200
    assert json.loads(upstream.only().body)["model"] == "never/heard-of:it"
    upstream.script()
    assert gateway.chat(chat_body("upstream/gpt-4o")).status == 200
    assert json.loads(upstream.only().body)["model"] == "gpt-4o"


@pytest.mark.parametrize(
    "model", ["nothing-like-it", "upstream/nothing-like-it", "elsewhere/upstream-alpha", "CHAT"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_name(named_gateway: Gateway, upstream: Upstream, model: str, stream: bool) -> None:
    answer = named_gateway.chat(chat_body(model, stream=stream))
    assert answer.status == 404
    error = answer.error()
    assert (error["code"], error["param"], error["type"]) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    assert model in error["message"]
    assert upstream.seen() == []


def test_a_tenant_bound_to_a_region_never_leaves_it(named_gateway: Gateway, upstream: Upstream) -> None:
    key = {"authorization": f"Bearer {EUROPE_KEY}"}
    for _ in range(20):
        answer = named_gateway.chat(chat_body("chat"), key)
        assert (answer.status, answer.headers["x-fastgate-deployment"]) == (200, "beta")
    upstream.script()
    answer = named_gateway.chat(chat_body("fast"), key)
    assert answer.status in (400, 503)
    assert answer.error()["code"] == "no_route"
    assert upstream.seen() == []
