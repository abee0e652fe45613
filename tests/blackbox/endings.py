"""Every way an exchange can end, as one table: how to bring it about, and what must be on record of it.

Each ending has a deployment of its own, whose model name tells the mock provider what to do.
"""

import hashlib
import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tests.blackbox import configuration
from tests.blackbox.configuration import CHAT_ONLY_KEY, KEY
from tests.blackbox.gateway import CHAT, CLIENT_TIMEOUT_S, Gateway
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
INPUT_PUSD, OUTPUT_PUSD = 2_000_000, 8_000_000
INPUT_TOKENS, OUTPUT_TOKENS = 11, 7


@dataclass(frozen=True)
class Ending:
    """What is asked, what the provider does about it, and what is then on record."""

    outcome: str
    fault: str
    status: int | None
    usage: str = "none"
    """`none`, `reported`, `estimated`, or `tried`: the estimate of an attempt that was not answered."""
    provider: str | None = ""
    """What the mock does, `field=value;…`; None: no provider is there; without `deployed` not asked."""
    path: str = CHAT
    stream: bool = False
    asks_for_usage: bool = False
    timeout: str = '"20s"'
    leaves: bool = False
    """The client hangs up: in the middle of a stream, or while it waits for an answer."""
    key: str = KEY
    broken: bool = False
    """The body is no JSON."""
    deployed: bool = True


def refused(outcome: str, fault: str, status: int, *, key: str = KEY, broken: bool = False) -> Ending:
    return Ending(outcome, fault, status, key=key, broken=broken, deployed=False)


ENDINGS = {
    "json": Ending("answered", "none", 200, "reported"),
    "json-uncounted": Ending("answered", "none", 200, "estimated", "omit=usage"),
    "embeddings": Ending("answered", "none", 200, "reported", path=EMBEDDINGS),
    "responses": Ending("answered", "none", 200, "reported", path=RESPONSES),
    "responses-stream": Ending("answered", "none", 200, "reported", path=RESPONSES, stream=True),
    "stream": Ending("answered", "none", 200, "reported", stream=True),
    "stream-counted": Ending("answered", "none", 200, "reported", stream=True, asks_for_usage=True),
    "stream-uncounted": Ending("answered", "none", 200, "estimated", "omit=usage", stream=True),
    "stream-unmarked": Ending("answered", "none", 200, "reported", "omit=done", stream=True),
    "error": Ending("provider_error", "provider", 429, provider="status=429"),
    "error-stream": Ending("provider_error", "provider", 503, provider="status=503", stream=True),
    "error-in-stream": Ending(
        "provider_error", "provider", 200, "estimated", "error_event=events:3", stream=True
    ),
    "credentials": Ending("provider_credentials_refused", "gateway", 502, provider="status=401"),
    "html": Ending("provider_failed", "provider", 502, provider="garbage=html"),
    "reset": Ending("provider_failed", "provider", 502, "tried", provider="reset=before_headers"),
    "unreachable": Ending("provider_unreachable", "provider", 502, provider=None),
    "slow": Ending("provider_timeout", "provider", 504, "tried", "stall=before_headers", timeout='"200ms"'),
    "slow-stream": Ending(
        *("provider_timeout", "provider", 200, "estimated", "stall=events:3"),
        stream=True,
        timeout='{ gap = "200ms" }',
    ),
    "cut": Ending("provider_failed", "provider", 200, "estimated", "cut=events:3", stream=True),
    "unfinished": Ending("stream_cut", "provider", 200, "estimated", "omit=finish_reason,usage", stream=True),
    "left": Ending("client_gone", "caller", None, "estimated", "stall=before_headers", leaves=True),
    "left-stream": Ending(
        "client_gone", "caller", 200, "estimated", "stall=events:4", stream=True, leaves=True
    ),
    "no-key": refused("invalid_api_key", "caller", 401, key=""),
    "unknown-key": refused("invalid_api_key", "caller", 401, key="unknown"),
    "no-model": refused("model_not_found", "caller", 404),
    "other-model": refused("model_not_allowed", "policy", 403, key=CHAT_ONLY_KEY),
    "no-json": refused("invalid_request", "caller", 400, broken=True),
}


def priced(base_url: str) -> str:
    """A deployment for each ending, all at one price; one key for everything, one for hardly anything."""
    tables = [configuration.provider(base_url), configuration.provider("http://127.0.0.1:9/v1")]
    tables[1] = tables[1].replace("upstream", "nowhere")
    for name, ending in ENDINGS.items():
        if ending.deployed:
            provider = "nowhere" if ending.provider is None else "upstream"
            fault = f"@mock-fault:{ending.provider}" if ending.provider else ""
            tables.append(
                f'[deployments.{name}]\nprovider = "{provider}"\nmodel = "gpt-4o{fault}"\n'
                f"timeout = {ending.timeout}\n[prices.{name}]\ninput = 2.0\noutput = 8.0\n"
            )
    keys = configuration.key_table(KEY) + configuration.key_table(CHAT_ONLY_KEY, more='models = ["json"]\n')
    return "\n".join([*tables, "[tenants.acme]", keys])


def script(upstream: Upstream) -> None:
    """What the provider answers where nothing else is wanted of it."""
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    upstream.script(content="one two three four five six", chunks=6, usage=usage)


@dataclass(frozen=True)
class Told:
    """What a client learned of its exchange."""

    name: str
    user: str
    request_id: str | None
    status: int | None
    body: bytes
    cost_usd: str | None

    def usage(self) -> dict[str, Any] | None:
        """The token counts in the answer, if it has some."""
        text = self.body.decode()
        events = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data: {")]
        found = None
        for event in events or [text]:
            try:
                answer = json.loads(event)
            except ValueError:
                continue
            found = answer.get("usage") or (answer.get("response") or {}).get("usage") or found
        return found


def bring_about(gateway: Gateway, upstream: Upstream, name: str, user: str) -> Told:
    """Make an exchange that ends so; `user` is in its body and tells it from others."""
    ending = ENDINGS[name]
    fields: dict[str, Any] = {"model": name, "user": user, "messages": [{"role": "user", "content": "Hi"}]}
    if ending.path != CHAT:
        fields["input"] = fields.pop("messages")[0]["content"]
    if ending.stream:
        fields["stream"] = True
    if ending.asks_for_usage:
        fields["stream_options"] = {"include_usage": True}
    body = json.dumps(fields).encode()
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=CLIENT_TIMEOUT_S)) as client:
        headers = {"content-type": "application/json", "x-fastgate-session": user}
        if ending.key:
            headers["authorization"] = f"Bearer {ending.key}"
        client.request("POST", ending.path, body[:-1] if ending.broken else body, headers)
        if ending.leaves and not ending.stream:
            until(lambda: any(user.encode() in seen.body for seen in upstream.seen()), "the provider asked")
            return Told(name, user, None, None, b"", None)
        response = client.getresponse()
        received = b""
        while ending.leaves and b"one" not in received:
            received += response.read1()
        if not ending.leaves:
            received = response.read()
        named = response.getheader
        return Told(
            *(name, user, named("x-fastgate-request-id"), response.status, received),
            named("x-fastgate-cost-usd"),
        )


def key_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def check(record: dict[str, Any], told: Told) -> None:
    """Hold a record against what should be in it, and against what its client learned."""
    ending = ENDINGS[told.name]
    is_known = ending.outcome != "invalid_api_key"
    assert (record["outcome"], record["fault"], record["status"]) == (
        *(ending.outcome, ending.fault),
        ending.status,
    ), told
    assert told.status == ending.status, told
    assert told.request_id in (record["id"], None), told
    whose = {name: record[name] for name in ("tenant", "key", "user", "session")}
    if is_known:
        user = f"key:{key_id(ending.key)}" if ending.broken else told.user
        expected = {"tenant": "acme", "key": key_id(ending.key), "user": user, "session": told.user}
        assert whose == expected, told
    else:
        assert set(whose.values()) == {None}, told
    assert record["model"] == (told.name if is_known and not ending.broken else None), told
    assert record["deployment"] == (told.name if ending.deployed else None), told
    # A kept connection that is reset under a request is replaced once, and that is a call too.
    calls = (1, 2) if ending.provider == "reset=before_headers" else (int(ending.deployed),)
    assert record["attempts"] in calls, told
    check_usage(record, told)
    assert told.cost_usd in (None, usd(record["cost_pusd"])), told
    assert (told.cost_usd is not None) == (
        ending.outcome in ("answered", "provider_error") and (told.status != 200 or not ending.stream)
    ), told


def check_usage(record: dict[str, Any], told: Told) -> None:
    """Tokens and their price."""
    ending, usage = ENDINGS[told.name], record["usage"]
    assert record["usage_estimated"] == (ending.usage in ("estimated", "tried")), told
    tried = [attempt for attempt in record.get("trail", []) if "usage" in attempt]
    assert bool(tried) == (ending.usage == "tried"), told
    for attempt in tried:
        assert attempt["usage_estimated"], told
        assert attempt["usage"]["input_tokens"] > 0, told
        assert attempt["cost_pusd"] == attempt["usage"]["input_tokens"] * INPUT_PUSD, told
    if ending.usage in ("none", "tried"):
        assert (usage, record["cost_pusd"]) == (None, 0), told
        return
    assert usage.keys() == {"input_tokens", "output_tokens"}, told
    cost_pusd = usage["input_tokens"] * INPUT_PUSD + usage["output_tokens"] * OUTPUT_PUSD
    assert record["cost_pusd"] == cost_pusd, told
    if ending.usage == "estimated":
        assert usage["input_tokens"] > 0, told
        # Of an answer that never began nothing can have come out.
        assert (usage["output_tokens"] > 0) == (told.status is not None), told
        return
    shown = told.usage()
    is_shown = not ending.stream or ending.asks_for_usage or ending.path == RESPONSES
    assert (shown is not None) == is_shown, told
    output_tokens = 0 if ending.path == EMBEDDINGS else OUTPUT_TOKENS
    input_tokens = first(shown, "prompt_tokens", "input_tokens") if shown else INPUT_TOKENS
    assert (usage["input_tokens"], usage["output_tokens"]) == (input_tokens, output_tokens), told
    if shown:
        assert first(shown, "completion_tokens", "output_tokens") in (output_tokens, None), told


def first(values: dict[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if name in values), None)


def usd(pusd: int) -> str:
    """Picodollars as decimal USD, without zeros at the end."""
    text = f"{pusd // 10**12}.{pusd % 10**12:012}".rstrip("0")
    return text.rstrip(".")
