"""What an exchange costs: in the header of its answer and on record, by whichever price holds."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from tests.blackbox import configuration
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Gateway, chat_body, fetch
from tests.blackbox.records import records_of
from tests.blackbox.upstream import Upstream

COST = "x-fastgate-cost-usd"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
RESPONSES_USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
# gpt-5 at OpenAI's list price, USD per million tokens, in and out.
RATES = {"default": (1.25, 10.0), "flex": (0.625, 5.0), "priority": (2.5, 20.0), "fast": (2.5, 20.0)}


def standard_pusd(tier: str) -> int:
    input_rate, output_rate = RATES[tier]
    return int(1000 * input_rate * 1_000_000 + 100 * output_rate * 1_000_000)


def record_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    return records_of(gateway, {request_id})[request_id]


def test_a_list_price(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(usage={"prompt_tokens": 1000, "completion_tokens": 100})
    answer = gateway.chat(chat_body("gpt-4o"))
    assert answer.headers[COST] == "0.0035"
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    assert record["cost_pusd"] == 3_500_000_000
    stream = gateway.chat(chat_body("gpt-4o", stream=True))
    assert COST not in stream.headers, "a stream's cost is known at its end only"
    assert record_of(gateway, stream.headers["x-fastgate-request-id"])["cost_pusd"] == 3_500_000_000


def test_an_unknown_price_is_no_zero(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script()
    answer = gateway.chat(chat_body("our-own-model"))
    assert answer.status == 200
    assert COST not in answer.headers
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    assert record["cost_pusd"] is None
    assert record["usage"]["input_tokens"] > 0


def test_an_unknown_price_can_be_blocked(door: str, start: Start, upstream: Upstream) -> None:
    config = configuration.open_provider(upstream.base_url) + '\n[billing]\nunknown_price = "block"\n'
    gateway = start(door, config)
    answer = gateway.chat(chat_body("our-own-model"))
    assert (answer.status, answer.error()["code"]) == (403, "price_unknown")
    assert upstream.seen() == []
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    assert (record["outcome"], record["fault"], record["cost_pusd"]) == ("price_unknown", "policy", 0)
    assert gateway.chat(chat_body("gpt-4o")).headers[COST]
    priced = '\n[prices."our-own-model"]\ninput = 3.0\noutput = 0\n'
    upstream.script(usage={"prompt_tokens": 7, "completion_tokens": 1})
    other = start(door, config + priced)
    assert other.chat(chat_body("our-own-model")).headers[COST] == "0.000021"


def test_the_built_in_mock_costs_nothing(start: Start) -> None:
    gateway = start("native", "", key=None)
    answer = gateway.chat(chat_body())
    assert answer.headers["x-fastgate-deployment"] == "mock"
    assert answer.headers[COST] == "0"
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    assert record["cost_pusd"] == 0
    assert record["usage"]["output_tokens"] > 0


def chat_events(tier: str) -> bytes:
    """A chat stream; every event names the tier, as OpenAI's do."""
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events = [
        {"choices": [choice], "service_tier": tier, "usage": None},
        {"choices": [last], "service_tier": tier, "usage": None},
        {"choices": [], "service_tier": tier, "usage": USAGE},
    ]
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events) + b"data: [DONE]\n\n"


def response_events(tier: str) -> bytes:
    """A stream of Responses: what was asked for at its beginning, what was billed at its end."""
    begun = {"id": "resp_1", "status": "in_progress", "service_tier": "auto", "usage": None}
    done = {"id": "resp_1", "status": "completed", "service_tier": tier, "usage": RESPONSES_USAGE}
    events = [
        {"type": "response.created", "response": begun, "sequence_number": 0},
        {"type": "response.output_text.delta", "delta": "Hi", "sequence_number": 1},
        {"type": "response.completed", "response": done, "sequence_number": 2},
    ]
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


@pytest.mark.parametrize("tier", RATES)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_tier_that_the_provider_names_sets_the_price(
    gateway: Gateway, upstream: Upstream, path: str, stream: bool, tier: str
) -> None:
    is_chat = path.endswith("completions")
    if stream:
        events = chat_events(tier) if is_chat else response_events(tier)
        upstream.answer_bytes(events, content_type="text/event-stream", split_bytes=[5, 1, 64])
    else:
        usage = USAGE if is_chat else RESPONSES_USAGE
        said: dict[str, Any] = {"choices": [{"message": {}}]} if is_chat else {"output": []}
        upstream.answer_bytes(json.dumps({"id": "x", "service_tier": tier, "usage": usage, **said}).encode())
    # What is asked for does not decide.
    asked: dict[str, Any] = {"model": "gpt-5", "service_tier": "auto", "stream": stream}
    asked["messages" if is_chat else "input"] = []
    headers = {"content-type": "application/json", "authorization": f"Bearer {gateway.key}"}
    answer = gateway.fetch("POST", path, json.dumps(asked).encode(), headers)
    assert answer.status == 200
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    assert (record["service_tier"], record["cost_pusd"]) == (tier, standard_pusd(tier))
    assert record["usage"] == {"input_tokens": 1000, "output_tokens": 100}
    if not stream:
        assert float(answer.headers[COST]) == standard_pusd(tier) / 1e12


def costs(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record.get(name) for name in ("cost_pusd", "list_cost_pusd", "reported_cost_pusd"))


def saying(cost: str, *, stream: bool = False) -> bytes:
    """An answer in which the provider says what it costs, digit by digit."""
    usage = f'{{"prompt_tokens":1000,"completion_tokens":100,"cost":{cost},"is_byok":false}}'
    if not stream:
        return f'{{"choices":[{{"message":{{}},"finish_reason":"stop"}}],"usage":{usage}}}'.encode()
    choice = '{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}'
    return f'data: {choice}\n\ndata: {{"choices":[],"usage":{usage}}}\n\ndata: [DONE]\n\n'.encode()


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_provider_says_is_the_cost(gateway: Gateway, upstream: Upstream, stream: bool) -> None:
    kind = "text/event-stream" if stream else "application/json"
    for cost, pusd in (("0.00123456789012345", 1_234_567_890), ("1.5e-7", 150_000), ("0", 0)):
        upstream.answer_bytes(saying(cost, stream=stream), content_type=kind)
        answer = gateway.chat(chat_body("gpt-4o", stream=stream))
        record = record_of(gateway, answer.headers["x-fastgate-request-id"])
        assert costs(record) == (pusd, 3_500_000_000, pusd), cost
        if not stream:
            assert Decimal(answer.headers[COST]) == Decimal(pusd).scaleb(-12)
    for cost in ("null", '"0.5"', "-0.5", '{"total_cost":0.5}', "1e99"):
        upstream.answer_bytes(saying(cost, stream=stream), content_type=kind)
        answer = gateway.chat(chat_body("gpt-4o", stream=stream))
        record = record_of(gateway, answer.headers["x-fastgate-request-id"])
        assert costs(record) == (3_500_000_000, None, None), cost


def test_a_price_that_only_the_provider_knows(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answer_bytes(saying("0.25"))
    answer = gateway.chat(chat_body("our-own-model"))
    assert answer.headers[COST] == "0.25"
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    assert costs(record) == (250_000_000_000, None, 250_000_000_000)


CHAIN = """
[deployments.first]
provider = "upstream"
model = "gpt-4o"
[deployments.second]
provider = "upstream"
model = "gpt-4o-mini"
[models.chat]
use = ["first", "second"]
"""


def test_a_discount_is_off_the_list_price(door: str, start: Start, upstream: Upstream) -> None:
    provider = configuration.provider(upstream.base_url) + 'discount = "12.5%"\n'
    gateway = start(door, provider + CHAIN + "[tenants.acme]\n" + configuration.key_table(configuration.KEY))
    upstream.script(usage={"prompt_tokens": 1000, "completion_tokens": 100})
    answer = gateway.chat(chat_body("first"))
    assert answer.headers[COST] == "0.0030625"
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    assert costs(record) == (3_062_500_000, 3_500_000_000, None)
    upstream.answer_bytes(saying("0.001"))
    answer = gateway.chat(chat_body("first"))
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    assert costs(record) == (1_000_000_000, 3_500_000_000, 1_000_000_000), (
        "what it says itself is no list price"
    )


def test_all_attempts_that_were_billed_add_up(door: str, start: Start, upstream: Upstream) -> None:
    """The header and the metrics tell of the exchange, the record of each attempt."""
    provider = configuration.provider(upstream.base_url) + 'discount = "10%"\n'
    gateway = start(door, provider + CHAIN + "[tenants.acme]\n" + configuration.key_table(configuration.KEY))
    broken = b'data: {"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":100}}\n\n'
    upstream.script(
        {"content_type": "text/event-stream", "body": broken.decode()},
        usage={"prompt_tokens": 1000, "completion_tokens": 100},
    )
    answer = gateway.chat(chat_body("chat"))
    assert answer.status == 200
    record = record_of(gateway, answer.headers["x-fastgate-request-id"])
    (tried,) = record["trail"]
    assert tried["usage"] == {"input_tokens": 1000, "output_tokens": 100}
    assert costs(tried) == (3_150_000_000, 3_500_000_000, None)
    # gpt-4o-mini: 0.15 and 0.6 USD per million tokens.
    assert costs(record) == (189_000_000, 210_000_000, None)
    assert Decimal(answer.headers[COST]) == Decimal("0.003339")
    if door == "native":
        page = fetch(gateway.admin_port, "GET", "/metrics").body.decode()
        counted = re.findall(r"^fastgate_cost_usd_total\{.*\} (\S+)", page, re.MULTILINE)
        assert sum(map(Decimal, counted)) == Decimal("0.003339")
