"""The admin API of a gateway that is run: the thread, the listener, tokens, the log, the end."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox.configuration import SECRETS, open_provider
from tests.blackbox.gateway import BIN, Answer, Gateway, fetch, running
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

TOKEN = "fga_blackbox_0123456789abcdefghijklmnopqrst"
OPERATOR = f"""
[[admin.tokens]]
digest = "sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"
role = "operator"
name = "alice"
"""


@pytest.fixture
def config(provider: Upstream) -> str:
    return open_provider(provider.base_url) + OPERATOR


@pytest.fixture
def gateway(config: str, tmp_path: Path) -> Iterator[Gateway]:
    with running("native", tmp_path, config) as found:
        yield found


def ask(gateway: Gateway, method: str, path: str, body: Any = None, token: str | None = None) -> Answer:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    content = None if body is None else json.dumps(body).encode()
    return fetch(gateway.admin_port, method, path, content, headers)


def test_status_tells_of_the_gateway(gateway: Gateway) -> None:
    status = ask(gateway, "GET", "/admin/status").json()
    assert status["configuration"] == {"file": str(gateway.config_file), "generation": 1}
    assert status["in_flight"] == 0


def test_changes_take_a_token_and_are_logged(gateway: Gateway, config: str) -> None:
    assert ask(gateway, "POST", "/admin/reload").status == 401
    assert ask(gateway, "POST", "/admin/reload", token="wrong").status == 401
    gateway.configure(config + "\n[nonsense]\n")
    refused = ask(gateway, "POST", "/admin/reload", token=TOKEN)
    assert (refused.status, refused.json()["error"]["code"]) == (422, "configuration_rejected")
    assert "nonsense" in refused.json()["error"]["message"]
    gateway.configure(config)
    before = ask(gateway, "GET", "/admin/status").json()["configuration"]["generation"]
    assert ask(gateway, "POST", "/admin/reload", token=TOKEN).json() == {
        "generation": before + 1,
        "needs_restart": [],
    }
    until(lambda: "fastgate.audit: alice: reload" in gateway.log(), "the line")
    assert TOKEN not in gateway.log()


def test_the_command_line_asks_it(gateway: Gateway) -> None:
    environment = {**os.environ, "FASTGATE_ADMIN_TOKEN": TOKEN}
    command = [str(BIN / "fastgate"), "drill", "list", "-c", str(gateway.config_file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "no drills\n"


def test_providers_and_routes_are_told(gateway: Gateway, config: str) -> None:
    gateway.configure(
        config + '\n[deployments.d]\nprovider = "upstream"\nmodel = "m"\n[models.chat]\nuse = ["d"]\n'
    )
    assert ask(gateway, "POST", "/admin/reload", token=TOKEN).status == 200
    (provider,) = ask(gateway, "GET", "/admin/providers").json()["providers"]
    assert (provider["id"], len(provider["credentials"])) == ("upstream", 1)
    assert ask(gateway, "GET", "/admin/providers/upstream").json() == provider
    assert provider["deployments"][0]["id"] == "d"
    asking = {"request": {"model": "chat", "messages": []}, "tenant": "acme"}
    explained = ask(gateway, "POST", "/admin/routes/explain", asking).json()
    assert (explained["chain"], explained["error"]) == (["d"], None)
    refused = ask(gateway, "POST", "/admin/routes/explain", {**asking, "tenant": "nobody"})
    assert (refused.status, refused.json()["error"]["code"]) == (400, "invalid_request")
    for everything in (ask(gateway, "GET", "/admin/providers").body, json.dumps(explained).encode()):
        assert not [secret for secret in SECRETS if secret.encode() in everything]
    request = gateway.config_file.with_name("request.json")
    request.write_text(json.dumps(asking["request"]))
    command = [str(BIN / "fastgate"), "routes", "explain", str(request), "-c", str(gateway.config_file)]
    for more in ([], ["--live"]):
        done = subprocess.run([*command, "--json", *more], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["chain"] == ["d"]
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("tried in this order: d\n")


def test_a_request_does_not_keep_the_gateway_from_ending(gateway: Gateway) -> None:
    assert ask(gateway, "GET", "/admin/status").status == 200
    gateway.process.terminate()
    assert gateway.process.wait(20) == 0
    assert "stopped with requests still in flight" not in gateway.log()
