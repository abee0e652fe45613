"""What `/metrics` says, read by the official client's parsers, after traffic that is known."""

import http.client
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import Metric, parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from tests.blackbox.waiting import until
from tests.telemetry.conftest import Serve
from tests.transport.gateway import CLIENT_TIMEOUT_S, Gateway, chat_body, read_until

from fastgate._core import MockProvider

PAGE = Path(__file__).parents[2] / "docs" / "telemetry.md"
Labels = dict[str, str]


def ask(gateway: Gateway, accept: str) -> tuple[str, str]:
    """Content type and text of `/metrics`."""
    connection = http.client.HTTPConnection(*gateway.admin, timeout=CLIENT_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics", headers={"accept": accept})
        response = connection.getresponse()
        assert response.status == 200
        return response.headers["content-type"], response.read().decode()
    finally:
        connection.close()


def scrape(gateway: Gateway) -> dict[str, Metric]:
    """Metrics by name, as Prometheus reads them."""
    return {
        metric.name: metric for metric in parser.text_string_to_metric_families(ask(gateway, "text/plain")[1])
    }


def value(gateway: Gateway, sample: str, **labels: str) -> float:
    """The sum of the samples of this name that have these labels."""
    return sum(
        found.value
        for metric in scrape(gateway).values()
        for found in metric.samples
        if found.name == sample and labels.items() <= found.labels.items()
    )


def label_values(metrics: Iterable[Metric], label: str) -> set[str]:
    return {sample.labels[label] for metric in metrics for sample in metric.samples if label in sample.labels}


def settled(gateway: Gateway, count: int) -> None:
    until(lambda: value(gateway, "fastgate_exchanges_settled_total") == count, f"{count} settled")


def documented() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of every metric of the manual."""
    rows = re.findall(
        r"^\| `((?:fastgate|process)_\w+)` \| (\w+) \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE
    )
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_the_manual_and_the_page_agree(serve: Serve) -> None:
    gateway = serve(threads=2)
    gateway.chat()
    gateway.chat(chat_body(stream=True))
    gateway.chat(b"{}")
    settled(gateway, 3)
    manual = documented()
    page = {
        metric.name + ("_total" if metric.type == "counter" else ""): metric
        for metric in scrape(gateway).values()
    }
    assert set(page) == set(manual)
    for name, (kind, labels) in manual.items():
        assert page[name].type == kind, name
        assert page[name].documentation, name
        for sample in page[name].samples:
            assert set(sample.labels) - {"le"} == labels, sample


def test_both_formats_say_the_same(serve: Serve) -> None:
    gateway = serve()
    gateway.chat(chat_body(stream=True))
    settled(gateway, 1)
    kind, text = ask(
        gateway, "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5"
    )
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    strict = list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    usual = scrape(gateway)
    moving = {"process_cpu_seconds", "process_resident_memory_bytes", "process_open_fds"}
    assert {metric.name for metric in strict} == set(usual)
    for metric in strict:
        if metric.name not in moving:
            assert [(s.name, s.labels, s.value) for s in metric.samples] == [
                (s.name, s.labels, s.value) for s in usual[metric.name].samples
            ]
    assert ask(gateway, "*/*")[0] == "text/plain; version=0.0.4; charset=utf-8"


def test_every_exchange_is_counted_with_its_tokens(serve: Serve) -> None:
    gateway = serve(threads=2)
    for number in range(6):
        assert gateway.chat(chat_body(stream=number % 2 == 0)).status == 200
    assert gateway.chat(b"{").status == 400
    settled(gateway, 7)
    whose = {"tenant": "default", "model": "m", "deployment": "upstream"}
    assert value(gateway, "fastgate_exchanges_total", fault="none", **whose) == 6
    assert value(gateway, "fastgate_exchanges_total", fault="caller", deployment="none", model="none") == 1
    assert value(gateway, "fastgate_exchanges_total") == value(gateway, "fastgate_exchanges_started_total")
    assert value(gateway, "fastgate_exchanges_settled_total", outcome="answered") == 6
    assert value(gateway, "fastgate_tokens_total", **{"class": "input"}, **whose) == 6 * 11
    assert value(gateway, "fastgate_tokens_total", **{"class": "output"}, **whose) == 6 * 7
    assert value(gateway, "fastgate_usage_estimated_total") == 0
    assert value(gateway, "fastgate_request_bytes_total", **whose) > 6 * 50
    assert value(gateway, "fastgate_policy_microseconds_count") == 7
    assert value(gateway, "fastgate_overhead_microseconds_count", component="route") == 6
    assert value(gateway, "fastgate_request_duration_seconds_count", deployment="upstream") == 6
    assert value(gateway, "fastgate_first_content_seconds_count", deployment="upstream") == 3
    assert value(gateway, "fastgate_time_per_output_token_seconds_count", deployment="upstream") == 3


def test_times_are_in_the_unit_of_the_name(serve: Serve, provider: MockProvider) -> None:
    provider.set_script('{"defaults": {"latency_ms": 300}}')
    gateway = serve()
    gateway.chat()
    settled(gateway, 1)
    waited_s = value(gateway, "fastgate_upstream_duration_seconds_sum")
    total_s = value(gateway, "fastgate_request_duration_seconds_sum")
    own_us = value(gateway, "fastgate_overhead_microseconds_sum")
    assert 0.3 <= waited_s <= total_s < 10
    assert 0 < own_us < (total_s - waited_s) * 1e6 + 1


def test_usage_that_the_provider_keeps_to_itself_is_told(serve: Serve, provider: MockProvider) -> None:
    provider.set_script('{"defaults": {"omit": ["usage"]}}')
    gateway = serve()
    gateway.chat()
    settled(gateway, 1)
    assert value(gateway, "fastgate_usage_estimated_total") == 1
    assert value(gateway, "fastgate_tokens_total") > 0


def test_names_of_clients_are_bounded(serve: Serve) -> None:
    gateway = serve("[telemetry]\nlabel_values = 5\n", threads=2)
    for number in range(40):
        assert gateway.chat(chat_body().replace(b'"m"', f'"name-{number}"'.encode())).status == 200
    assert gateway.chat(chat_body().replace(b'"m"', b'"' + b"x" * 500 + b'"')).status == 200
    settled(gateway, 41)
    metrics = scrape(gateway).values()
    assert len(label_values(metrics, "model")) == 6
    assert "other" in label_values(metrics, "model")
    assert value(gateway, "fastgate_exchanges_total") == 41
    assert value(gateway, "fastgate_exchanges_total", model="other") == 36


def test_names_with_any_character_are_read_back(serve: Serve) -> None:
    gateway = serve()
    name = 'a "quoted" \\ name, {with} = é ☃'
    body = chat_body().replace(b'"m"', ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"').encode())
    assert gateway.chat(body).status == 200
    settled(gateway, 1)
    assert value(gateway, "fastgate_exchanges_total", model=name) == 1


def test_connections_and_exchanges_under_way_are_shown(serve: Serve, provider: MockProvider) -> None:
    provider.set_script('{"defaults": {"stall": "events:2"}}')
    gateway = serve()
    with gateway.stream() as connection:
        read_until(connection, b"data:")
        assert value(gateway, "fastgate_exchanges_in_flight") == 1
        assert value(gateway, "fastgate_upstream_connections_open", provider="upstream") == 1
        assert value(gateway, "fastgate_client_connections") == 1
    settled(gateway, 1)
    assert value(gateway, "fastgate_exchanges_in_flight") == 0
    assert value(gateway, "fastgate_exchanges_settled_total", outcome="client_gone", fault="caller") == 1
    assert value(gateway, "fastgate_upstream_connections_open") == 0
    provider.reset()
    provider.set_script('{"defaults": {}}')
    gateway.chat()
    until(lambda: value(gateway, "fastgate_upstream_connections_idle", provider="upstream") == 1, "idle")
    assert value(gateway, "fastgate_upstream_connections_open", provider="upstream") == 1


@pytest.mark.parametrize("name", ["process_resident_memory_bytes", "process_open_fds", "process_max_fds"])
def test_the_process_is_shown(serve: Serve, name: str) -> None:
    assert value(serve(), name) > 3


def test_a_reload_is_shown(serve: Serve, provider: MockProvider) -> None:
    gateway = serve()
    assert value(gateway, "fastgate_config_generation") == 1
    gateway.reload(f'[providers.upstream]\nbase_url = "http://{provider.address}/v1"\n')
    assert value(gateway, "fastgate_config_generation") == 2
    assert Decimal(value(gateway, "fastgate_config_loaded_timestamp_seconds")) > 1_700_000_000
