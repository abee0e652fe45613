"""W3C trace context through every door: in from the caller, out to the provider, on record and in the log."""

import json
import re
from pathlib import Path

import pytest
from tests.blackbox import configuration
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Answer, Gateway, chat_body
from tests.blackbox.records import records_of
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


def ask(gateway: Gateway, **trace: str) -> Answer:
    answer = gateway.chat(chat_body(), {"authorization": f"Bearer {gateway.key}", **trace})
    assert answer.status == 200
    return answer


def sent_on(upstream: Upstream) -> tuple[str, str, str]:
    """Trace, parent and flags that the provider was told last."""
    found = TRACEPARENT.fullmatch(upstream.seen()[-1].header("traceparent") or "")
    assert found, upstream.seen()[-1].headers
    return found[1], found[2], found[3]


def trace_on_record(gateway: Gateway, answer: Answer) -> str:
    request_id = answer.headers["x-fastgate-request-id"]
    trace: str = records_of(gateway, {request_id})[request_id]["trace_id"]
    return trace


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_trace_is_carried_on(gateway: Gateway, upstream: Upstream, flags: str) -> None:
    upstream.script()
    answers = [
        ask(gateway, traceparent=f"00-{TRACE}-{PARENT}-{flags}", tracestate="vendor=a,other=b") for _ in "ab"
    ]
    parents = {seen.header("traceparent") for seen in upstream.seen()}
    assert len(parents) == 2, "each exchange is a span of its own"
    trace, parent, sent_flags = sent_on(upstream)
    assert (trace, sent_flags) == (TRACE, flags)
    assert parent != PARENT
    assert upstream.seen()[-1].header("tracestate") == "vendor=a,other=b"
    assert {trace_on_record(gateway, answer) for answer in answers} == {TRACE}


@pytest.mark.parametrize(
    "headers",
    [{}, {"traceparent": f"00-{'0' * 32}-{PARENT}-01"}, {"traceparent": "garbage"}, {"traceparent": ""}],
    ids=str,
)
def test_without_a_valid_one_a_trace_begins(
    gateway: Gateway, upstream: Upstream, headers: dict[str, str]
) -> None:
    upstream.script()
    traces = set()
    for _ in range(2):
        answer = ask(gateway, tracestate="vendor=a", **headers)
        trace, _, _ = sent_on(upstream)
        assert trace == trace_on_record(gateway, answer)
        assert upstream.seen()[-1].header("tracestate") is None, (
            "it belongs to a trace that is not carried on"
        )
        traces.add(trace)
    assert len(traces) == 2


def test_the_access_log_names_the_trace(door: str, start: Start, upstream: Upstream, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    gateway = start(
        door, configuration.open_provider(upstream.base_url) + f'\n[access_log]\npath = "{log}"\n'
    )
    answer = ask(gateway, traceparent=f"00-{TRACE}-{PARENT}-01")
    until(lambda: log.exists() and log.read_text().endswith("\n"), "a line")
    (line,) = map(json.loads, log.read_text().splitlines())
    assert (line["request_id"], line["trace_id"]) == (answer.headers["x-fastgate-request-id"], TRACE)
