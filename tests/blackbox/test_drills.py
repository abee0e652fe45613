"""Failover drills of a gateway that is run: forced, watched, reported on, gone on with after a restart."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox.configuration import KEY, OTHER_KEY, key_table, provider
from tests.blackbox.gateway import Answer, Gateway, chat_body, fetch, running
from tests.blackbox.test_admin import OPERATOR, TOKEN
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

BACKUP_DOWN = {"status": 500, "content_type": "application/json", "body": "{}"}


class Two:
    """A primary and a backup provider, and a gateway in front of them."""

    def __init__(self, primary: Upstream, folder: Path) -> None:
        self.primary = primary
        self.backup = Upstream()
        self.folder = folder
        self.text = (
            provider(primary.base_url).replace("upstream", "primary")
            + provider(self.backup.base_url).replace("upstream", "backup")
            + """
[deployments.first]
provider = "primary"
model = "one"
[deployments.second]
provider = "backup"
model = "two"
retries = 0
[models.chat]
use = ["first", "second"]
[models.lonely]
use = ["first"]
[prices.first]
input = 2
output = 2
[prices.second]
input = 4
output = 4
[tenants.staging]
[tenants.prod]
"""
            + key_table(KEY, tenant="staging")
            + key_table(OTHER_KEY, tenant="prod")
            + OPERATOR
        )

    def ask(self, gateway: Gateway, method: str, path: str, body: Any = None) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {TOKEN}"}
        return fetch(gateway.admin_port, method, f"/admin/{path}", content, headers)

    def start(self, gateway: Gateway, **more: Any) -> str:
        asked = {"provider": "primary", "percent": 100, "tenant": "staging", "for": "1h", **more}
        answer = self.ask(gateway, "POST", "drills", asked)
        assert answer.status == 201, answer.body
        drill_id: str = answer.json()["drill"]["id"]
        return drill_id

    def drill(self, gateway: Gateway, drill_id: str) -> dict[str, Any]:
        drills = self.ask(gateway, "GET", "drills").json()["drills"]
        found: dict[str, Any] = next(drill for drill in drills if drill["id"] == drill_id)
        return found

    def chat(self, gateway: Gateway, key: str = KEY, model: str = "chat") -> Answer:
        return gateway.chat(chat_body(model), {"authorization": f"Bearer {key}"})


@pytest.fixture
def two(upstream: Upstream, tmp_path: Path) -> Iterator[Two]:
    found = Two(upstream, tmp_path)
    yield found
    found.backup.mock.stop()


def deployment(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return answer.headers["x-fastgate-deployment"]


def test_a_drill_forces_reports_and_ends(two: Two) -> None:
    with running("native", two.folder, two.text) as gateway:
        assert deployment(two.chat(gateway)) == "first"
        answer = two.ask(
            gateway,
            "POST",
            "drills",
            {"provider": "primary", "percent": 100, "tenant": "staging", "for": "1h"},
        )
        assert answer.json()["warnings"] == [
            "no deployment of another provider stands in for: lonely; their exchanges have nowhere to go"
        ]
        drill_id = answer.json()["drill"]["id"]
        forced = [two.chat(gateway) for _ in range(5)]
        assert {deployment(answer) for answer in forced} == {"second"}
        assert deployment(two.chat(gateway, OTHER_KEY)) == "first", "not its traffic"
        assert two.chat(gateway, model="lonely").status == 502
        until(lambda: two.drill(gateway, drill_id)["exchanges"] == 6, "the counts")
        counted = two.drill(gateway, drill_id)
        assert (counted["forced"], counted["failed"], counted["state"]) == (6, 1, "running")
        stopped = two.ask(gateway, "DELETE", f"drills/{drill_id}").json()["drill"]
        assert stopped["why"] == "stopped by alice"
        assert deployment(two.chat(gateway)) == "first"
        report = until(lambda: whole_report(two, gateway, drill_id), "the report", within_s=30)
    assert report["fallbacks"] == [
        {"from": "first", "to": "second", "exchanges": 5, "answered": 5},
        {"from": "first", "to": None, "exchanges": 1, "answered": 0},
    ]
    chat = next(model for model in report["models"] if model["model"] == "chat")
    assert (chat["with"]["answered"], chat["without"]["answered"]) == (5, 1)
    assert chat["with"]["cost_per_exchange_pusd"] == 2 * chat["without"]["cost_per_exchange_pusd"] > 0
    (broken,) = report["broke"]
    assert broken["exchanges"] == 1
    written = json.loads((gateway.state_dir / "drills" / f"{drill_id}-report.json").read_bytes())
    assert written == report


def whole_report(two: Two, gateway: Gateway, drill_id: str) -> Any:
    answer = two.ask(gateway, "GET", f"drills/{drill_id}/report")
    return answer.json() if answer.status == 200 else None


def test_a_guard_ends_a_drill_that_hurts(two: Two) -> None:
    with running("native", two.folder, two.text) as gateway:
        two.backup.script(**BACKUP_DOWN)
        drill_id = two.start(gateway, minimum_exchanges=3)
        for _ in range(3):
            assert two.chat(gateway).status >= 500
        until(lambda: two.drill(gateway, drill_id)["state"] == "tripped", "the guard")
        assert deployment(two.chat(gateway)) == "first"
        until(lambda: "drill tripped" in gateway.log(), "a warning")


def test_a_drill_survives_reloads_and_restarts(two: Two) -> None:
    planned = '\n[drills.planned]\nprovider = "backup"\npercent = 50\ntenant = "prod"\nfor = "1h"\n'
    with running("native", two.folder, two.text) as gateway:
        drill_id = two.start(gateway)
        gateway.configure(two.text + planned)
        assert two.ask(gateway, "POST", "reload").status == 200
        until(lambda: two.drill(gateway, "planned")["state"] == "running", "the drill of the configuration")
        assert deployment(two.chat(gateway)) == "second"
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait()
        gateway.process = gateway.start_process()
        gateway.wait_until_ready()
        assert deployment(two.chat(gateway)) == "second"
        states = {drill["id"]: drill["state"] for drill in two.ask(gateway, "GET", "drills").json()["drills"]}
        assert states == {drill_id: "running", "planned": "running"}
