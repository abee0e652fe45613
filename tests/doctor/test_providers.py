"""Providers that are well, and each way in which one is not."""

import email.utils
import json
import os
import socket
import time

import pytest
from tests.blackbox.gateway import free_port
from tests.transport.conftest import Authority
from tests.transport.gateway import split
from tests.transport.relay import CLOSED_WRITERS, Relay

from fastgate._core import MockProvider
from fastgate.config import load_text
from fastgate.doctor.findings import Finding, Severity
from fastgate.doctor.providers import check_provider
from fastgate.doctor.proxies import check_proxies, proxy_of

KEY = "sk-very-secret"


def look(base_url: str, more: str = f'api_key = "{KEY}"') -> list[Finding]:
    config = load_text(f'[providers.x]\nbase_url = "{base_url}"\n{more}\n', {})
    found = check_provider("x", config.settings.providers["x"], config)
    assert KEY not in str(found)
    assert all(finding.advice or finding.severity is Severity.OK for finding in found)
    return found


def script(mock: MockProvider, *steps: dict[str, object], **defaults: object) -> None:
    mock.set_script(json.dumps({"defaults": defaults, "steps": list(steps)}))


def worst(found: list[Finding]) -> Finding:
    return max(found, key=lambda finding: list(Severity).index(finding.severity))


def test_a_provider_that_is_well(mock: MockProvider) -> None:
    found = look(f"http://{mock.address}/v1")
    assert {finding.severity for finding in found} == {Severity.OK}
    assert found[0].message.startswith(f"reached at {mock.address}: DNS ")
    (request,) = mock.requests()
    assert (request["method"], request["path"]) == ("GET", "/v1/models")
    assert dict(request["headers"])["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("status", "severity", "said"),
    [
        (401, "fail", "the API key is refused (401)"),
        (403, "fail", "the API key is known but not allowed (403)"),
        (404, "warn", "credentials were not proved (404)"),
        (429, "warn", "over its rate or quota (429)"),
        (503, "warn", "the provider fails (503)"),
        (400, "fail", "answers otherwise than a provider does (400)"),
    ],
)
def test_what_the_answer_means(mock: MockProvider, status: int, severity: str, said: str) -> None:
    # Some vendors quote the key: what they say is never shown.
    script(mock, status=status, error={"message": f"Incorrect API key provided: {KEY}"})
    finding = worst(look(f"http://{mock.address}/v1"))
    assert finding.severity == severity
    assert said in finding.message


def test_every_key_is_tried(mock: MockProvider) -> None:
    script(mock, {}, {"status": 401})
    found = look(f"http://{mock.address}/v1", 'api_key = [{ key = "a" }, { key = "b" }]')
    assert [finding.message for finding in found if "key" in finding.message] == [
        "key 1 of 2 is accepted (200)",
        "key 2 of 2 is refused (401)",
    ]
    assert len(mock.requests()) == 2


@pytest.mark.parametrize(
    ("ahead_s", "severity", "said"),
    [
        (60, "warn", "is 60 s behind"),
        (-3600, "fail", "ahead of"),
        (5, "ok", "agrees"),
        (None, "ok", "agrees"),
    ],
)
def test_the_clock(mock: MockProvider, ahead_s: int | None, severity: str, said: str) -> None:
    if ahead_s is not None:
        date = email.utils.formatdate(time.time() + ahead_s, usegmt=True)
        script(mock, body={"data": []}, headers={"date": date})
    (finding,) = (found for found in look(f"http://{mock.address}/v1") if found.check == "clock")
    assert finding.severity == severity
    assert said in finding.message.replace("59 s", "60 s").replace("61 s", "60 s")


def test_a_name_that_does_not_exist() -> None:
    (finding,) = look("http://nobody.invalid/v1")
    assert finding.severity == "fail"
    assert "the name nobody.invalid has no address" in finding.message


def test_a_port_that_is_closed() -> None:
    (finding,) = look(f"http://127.0.0.1:{free_port()}/v1")
    assert finding.severity == "fail"
    assert "Connection refused" in finding.message


@pytest.mark.parametrize("fault", [{"reset": "before_headers"}, {"garbage": "not_http"}])
def test_a_server_that_is_no_provider(mock: MockProvider, fault: dict[str, object]) -> None:
    script(mock, body="", **fault)
    finding = worst(look(f"http://{mock.address}/v1"))
    assert (finding.severity, "speaks no HTTP" in finding.message) == ("fail", True)


def test_a_provider_that_says_nothing(mock: MockProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastgate.doctor.providers.LIMIT_S", 0.2)
    script(mock, stall="before_headers")
    began = time.monotonic()
    finding = worst(look(f"http://{mock.address}/v1"))
    assert (finding.severity, "no answer within" in finding.message) == ("fail", True)
    assert time.monotonic() - began < 2


@pytest.mark.filterwarnings(CLOSED_WRITERS)
def test_tls(mock: MockProvider, authority: Authority) -> None:
    with Relay(split(mock.address), authority.server()) as server:
        url = f"https://localhost:{server.address[1]}/v1"
        trusting = f'api_key = "{KEY}"\nca_file = "{authority.ca_file}"'
        found = look(url, trusting)
        assert {finding.severity for finding in found} == {Severity.OK}
        assert "TLSv1.3" in found[0].message
        finding = worst(look(url))
        assert (finding.severity, "certificate does not hold" in finding.message) == ("fail", True)
    assert len(mock.requests()) == 1
    finding = worst(look(f"https://{mock.address}/v1"))
    assert (finding.severity, "no TLS" in finding.message) == ("fail", True)


def test_a_proxy_that_refuses(mock: MockProvider) -> None:
    script(mock, status=407)
    finding = worst(look("https://provider.test/v1", f'proxy = "http://{mock.address}"'))
    assert finding.severity == "fail"
    assert "the proxy refuses to connect to provider.test:443" in finding.message


def test_which_proxy_stands_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{KEY}@proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "internal.test")

    def proxy(base_url: str, more: str = "") -> str | None:
        config = load_text(f'[providers.x]\nbase_url = "{base_url}"\n{more}\n', {})
        return proxy_of(config.settings.providers["x"])

    assert proxy("https://api.test/v1") == os.environ["HTTPS_PROXY"]
    for direct in ("http://api.test/v1", "https://127.0.0.1/v1", "https://internal.test/v1"):
        assert proxy(direct) is None
    assert proxy("https://api.test/v1", 'proxy = "http://own:1"') == "http://own:1"
    (finding,) = check_proxies()
    assert "proxy.test:3128" in finding.message
    assert KEY not in str(finding)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.test:1080")
    assert worst(check_proxies()).severity == "fail"


def test_a_listener_that_never_accepts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastgate.doctor.providers.LIMIT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finding = worst(look(f"http://127.0.0.1:{silent.getsockname()[1]}/v1"))
    assert finding.severity == "fail"
