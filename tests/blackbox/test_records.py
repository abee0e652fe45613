"""docs/records.md is what a gateway writes."""

import re
from pathlib import Path

from tests.blackbox import configuration
from tests.blackbox.configuration import KEY
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, chat_body
from tests.blackbox.records import records_of
from tests.blackbox.upstream import Upstream

MANUAL = (Path(__file__).parents[2] / "docs" / "records.md").read_text()


def documented(section: str) -> set[str]:
    return {
        name
        for cell in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }


CHAIN = """
[deployments.first]
provider = "upstream"
model = "m-first"
[deployments.second]
provider = "upstream"
model = "m-second"
[models.chat]
budget = "10s"
use = ["first", "second"]
[tenants.acme]
"""


def test_every_field_is_in_the_manual_and_every_row_is_a_field(
    door: str, upstream: Upstream, start: Start
) -> None:
    config = configuration.provider(upstream.base_url) + CHAIN + configuration.key_table(KEY)
    gateway = start(door, config)
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {gateway.key}",
        "x-fastgate-tags": "team=search, experiment=b",
        "x-fastgate-user": "ann",
        "helicone-session-id": "s-1",
        "x-fastgate-feature": "search",
    }
    upstream.script({"status": 500})
    answer = gateway.fetch("POST", CHAT, chat_body(model="chat"), headers)
    (record,) = records_of(gateway, {answer.headers["x-fastgate-request-id"]}).values()
    # Only a drill leaves its name; tests/blackbox/test_drills.py looks for it.
    assert record.keys() | {"drill"} == documented(MANUAL.partition("## Whose it is")[0])
    assert record["tags"] == {"team": "search", "experiment": "b"}
    assert (record["user"], record["session"], record["feature"]) == ("ann", "s-1", "search")
    assert record["usage"].keys() <= set(re.findall(r"`(\w+_tokens)`", MANUAL))
    stages = re.search(r"\| `stages_us` \| (.+) \|", MANUAL)
    assert stages
    assert list(record["stages_us"]) == re.findall(r"`(\w+)`", stages[1])
    assert sum(record["stages_us"].values()) <= record["total_us"] + len(record["stages_us"])
