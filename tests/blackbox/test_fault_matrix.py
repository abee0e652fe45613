"""Every way a provider can fail, JSON and stream, alone and with a fall-back, through every door and the
official SDK with its own retries on.

Each fault has a deployment of its own, whose model name tells the mock provider what to do; the fall-back is
well. A fault before the first content is never seen where there is a fall-back; one after it ends in an
error, never in an answer that looks whole.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY, key_table
from tests.blackbox.conftest import ALL_DOORS
from tests.blackbox.gateway import Gateway, running
from tests.blackbox.records import records_of
from tests.blackbox.upstream import Upstream

BUDGET_S = 3.0
SLACK_S = 0.05
# What a busy machine takes beside: scheduling a client, a gateway and a provider on two cores.
MACHINE_S = 0.75
TEXT = "one two three four five six"
RESILIENCE = """
[resilience]
backoff = "10ms"
backoff_max = "20ms"
retry_share = "100%"
retries_per_second = 1000
adaptive_concurrency = false
breaker = { failures = 1000, success_share = 0 }
"""


@dataclass(frozen=True)
class Fault:
    """What the provider does, and what a client without a fall-back is told."""

    json: str | None
    stream: str | None
    alone: int
    """Status; 200 is an answer."""
    falls_back: bool = True
    calls: int = 3
    after_head: bool = False
    """The last attempt at a stream passes at once, so it is the stream that ends in an error."""
    after_content: bool = False
    """Every attempt does."""


FAULTS = {
    "reset": Fault("reset=before_headers", "reset=before_headers", 502),
    "reset-later": Fault("reset=after_headers", "reset=after_headers", 502, after_head=True),
    "not-http": Fault("garbage=not_http", "garbage=not_http", 502),
    "500": Fault("status=500", "status=500", 500),
    "503": Fault("status=503", "status=503", 503),
    "529": Fault("status=529", "status=529", 529),
    "429": Fault("status=429", "status=429", 429),
    "429-hint": Fault("status=429;headers.retry-after-ms=30", "status=429;headers.retry-after-ms=30", 429),
    "429-quota": Fault(
        *("status=429;error.type=insufficient_quota;error.code=insufficient_quota",) * 2, 429, calls=1
    ),
    "401": Fault(
        "status=401;error.code=invalid_api_key", "status=401;error.code=invalid_api_key", 502, calls=1
    ),
    "400": Fault("status=400", "status=400", 400, falls_back=False, calls=1),
    "400-context": Fault(*("status=400;error.code=context_length_exceeded",) * 2, 400, calls=1),
    "404-model": Fault(*("status=404;error.code=model_not_found",) * 2, 404, calls=1),
    "slow-headers": Fault("stall=before_headers", "stall=before_headers", 504, calls=2),
    "slow-content": Fault("stall=bytes:30", "stall=before_content", 504, calls=2, after_head=True),
    "cut-at-once": Fault("cut=bytes:0", "cut=events:0", 502, after_head=True),
    "cut-after-role": Fault("cut=bytes:100", "cut=events:1", 502, after_head=True),
    "cut-inside-role": Fault(None, "cut=inside_event:1", 502, after_head=True),
    "cut-inside-content": Fault(None, "cut=inside_event:2", 502, after_head=True),
    "error-event": Fault(None, "error_event=before_content", 502, after_head=True),
    "html": Fault("garbage=html", "garbage=html", 502),
    "invalid-json": Fault("garbage=invalid_json", None, 502),
    "empty": Fault("garbage=empty", "garbage=empty", 502, after_head=True),
    "wrong-type": Fault(None, "content_type=text/plain", 502),
    "no-choices": Fault('body={"id":"x","choices":[]}', None, 502),
    "unreachable": Fault("", "", 502),
    "no-end-mark": Fault(None, "omit=done", 200, falls_back=False, calls=1),
    "stall-later": Fault(None, "stall=events:4", 200, falls_back=False, calls=1, after_content=True),
    "cut-later": Fault(None, "cut=events:4", 200, falls_back=False, calls=1, after_content=True),
    "cut-inside-later": Fault(None, "cut=inside_event:5", 200, falls_back=False, calls=1, after_content=True),
    "reset-in-stream": Fault(None, "reset=events:4", 200, falls_back=False, calls=1, after_content=True),
    "error-event-later": Fault(
        None, "error_event=events:4", 200, falls_back=False, calls=1, after_content=True
    ),
    "unfinished": Fault(None, "omit=finish_reason,done", 200, falls_back=False, calls=1, after_content=True),
}
CASES = [
    (name, stream)
    for name, fault in FAULTS.items()
    for stream in (False, True)
    if (fault.stream if stream else fault.json) is not None
]


def deployment_of(name: str, stream: bool) -> str:
    return f"{name}-{'stream' if stream else 'json'}"


def config(base_url: str) -> str:
    """A deployment for each fault, once alone and once with a fall-back behind it."""
    nowhere = configuration.provider("http://127.0.0.1:9/v1").replace("upstream", "nowhere")
    tables = [nowhere, configuration.provider(base_url).replace("upstream", "backup")]
    tables.append('[deployments.well]\nprovider = "backup"\nmodel = "well"\n')
    for name, stream in CASES:
        fault, key = FAULTS[name].stream if stream else FAULTS[name].json, deployment_of(name, stream)
        # A provider for each, so that a refused key or a spent budget of repeats is nobody else's.
        provider = "nowhere" if name == "unreachable" else f"for-{key}"
        if provider != "nowhere":
            tables.append(configuration.provider(base_url).replace("upstream", provider))
        model = json.dumps(f"{key}@mock-fault:{fault}" if fault else key)
        tables.append(
            f'[deployments."{key}"]\nprovider = "{provider}"\nmodel = {model}\n'
            'timeout = { first_content = "300ms", gap = "300ms" }\n'
            f'[models."{key}-alone"]\nbudget = "{BUDGET_S:g}s"\nuse = ["{key}"]\n'
            f'[models."{key}-chain"]\nbudget = "{BUDGET_S:g}s"\nuse = ["{key}", "well"]\n'
        )
    return "\n".join([*tables, "[tenants.acme]", key_table(KEY)])


@pytest.fixture(scope="module", params=ALL_DOORS)
def faulty(
    request: pytest.FixtureRequest, provider: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway whose deployments fail, each in its way."""
    folder = tmp_path_factory.mktemp(f"faulty-{request.param}")
    with running(request.param, folder, config(provider.base_url), resilience=RESILIENCE) as gateway:
        yield gateway


@dataclass
class Heard:
    """What a client got."""

    status: int
    text: str
    failed: bool
    """The SDK raised, before or within the answer."""
    request_ids: set[str]
    first_byte_s: float


def ask(gateway: Gateway, model: str, stream: bool) -> Heard:
    """One call with the official SDK as people have it: its own retries on."""
    begun = time.monotonic()
    messages = [{"role": "user", "content": "Hi"}]
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=KEY, max_retries=2, timeout=20
    ) as client:
        heard = Heard(0, "", False, set(), 0)
        try:
            raw = client.chat.completions.with_raw_response.create(
                model=model,
                messages=messages,  # type: ignore[arg-type]  # plain dictionaries will do
                stream=stream,
            )
            heard.status = raw.status_code
            heard.first_byte_s = time.monotonic() - begun
            heard.request_ids.add(raw.headers["x-fastgate-request-id"])
            answer: Any = raw.parse()
            if stream:
                for chunk in answer:
                    for choice in chunk.choices:
                        heard.text += choice.delta.content or ""
            else:
                heard.text = answer.choices[0].message.content
        except openai.APIStatusError as error:
            heard.first_byte_s = time.monotonic() - begun
            heard.status, heard.failed = error.status_code, True
            heard.request_ids.add(error.response.headers["x-fastgate-request-id"])
        except openai.APIError:
            heard.failed = True
        return heard


def calls_of(upstream: Upstream, key: str) -> int:
    return sum(1 for seen in upstream.seen() if json.loads(seen.body)["model"].startswith(f"{key}@"))


@pytest.mark.parametrize("chain", ["alone", "chain"])
@pytest.mark.parametrize(("name", "stream"), CASES, ids=str)
def test_a_fault_ends_as_it_should(
    faulty: Gateway, upstream: Upstream, name: str, stream: bool, chain: str
) -> None:
    fault, key = FAULTS[name], deployment_of(name, stream)
    upstream.script(content=TEXT, chunks=6, stall_ms=20_000)
    heard = ask(faulty, f"{key}-{chain}", stream)

    began = fault.after_content or (fault.after_head and stream and chain == "alone")
    if began:
        assert (heard.status, heard.failed) == (200, True), heard
        assert TEXT.startswith(heard.text), heard
    elif (chain == "chain" and fault.falls_back) or fault.alone == 200:
        assert (heard.status, heard.failed, heard.text) == (200, False, TEXT), heard
    else:
        assert (heard.status, heard.failed) == (fault.alone, True), heard
    assert heard.first_byte_s <= BUDGET_S + SLACK_S + MACHINE_S, heard
    # One client's call is one exchange, settled once, however often SDK and gateway would like to repeat it.
    (record,) = records_of(faulty, heard.request_ids).values()
    assert record["status"] == heard.status
    is_answered = not heard.failed
    assert (record["outcome"] == "answered") == is_answered, record
    tried = [attempt["deployment"] for attempt in record.get("trail", [])]
    assert len(tried) + is_answered + began <= record["attempts"], record
    if name != "unreachable":
        calls = calls_of(upstream, key)
        # With somebody to move on to, whoever was too slow or has said no for good is not asked twice.
        limit = fault.calls if chain == "alone" or fault.calls == 3 else 1
        assert calls <= limit, (calls, record)
        if record["deployment"] == key:
            assert calls == record["attempts"], record
    if chain == "chain" and fault.falls_back:
        assert record["deployment"] == "well", record
