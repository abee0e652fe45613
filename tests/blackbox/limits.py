"""Tenants with limits on one account of known prices, who asks for what, and how their counts stand.

What a request is held for and what it then uses are constants here, so that a test can work out by itself
which request has to be the first that is denied.
"""

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.blackbox import configuration
from tests.blackbox.configuration import LIMITED_KEY, key_table
from tests.blackbox.gateway import CHAT, Answer, Gateway, chat_body, fetch
from tests.blackbox.records import all_records
from tests.blackbox.upstream import Upstream

INPUT_TOKENS, OUTPUT_TOKENS, MAX_TOKENS = 10, 20, 50
# Picodollars a token of `metered`.
INPUT_PUSD, OUTPUT_PUSD = 1_000_000, 2_000_000
COST_PUSD = INPUT_TOKENS * INPUT_PUSD + OUTPUT_TOKENS * OUTPUT_PUSD

PRICED = """
[deployments.metered]
provider = "upstream"
model = "m-metered"
[prices.metered]
input = 1.0
output = 2.0

[deployments.spare]
provider = "upstream"
model = "m-spare"
[prices.spare]
input = 1.0
output = 2.0

[deployments.unpriced]
provider = "upstream"
model = "m-unpriced"

[models.chain]
budget = "10s"
use = ["metered", "spare"]

[models.small]
use = ["spare"]
"""


def noon_zone() -> str:
    """A time zone where it is about noon, so that no day, week or month ends in the middle of a test."""
    return f"Etc/GMT{time.gmtime().tm_hour - 12:+d}"


def held_pusd(content: bytes, output_tokens: int = MAX_TOKENS) -> int:
    """What a request is held for: a token of input for each byte, and all the output it asks for."""
    return len(content) * INPUT_PUSD + output_tokens * OUTPUT_PUSD


def usd(pusd: int) -> str:
    """Decimal USD, as a configuration takes it."""
    return f'"{Decimal(pusd).scaleb(-12):f}"'


def key_of(tenant: str) -> str:
    return LIMITED_KEY + tenant


def tenant_table(tenant: str, limits: str = "", more: str = "", key_more: str = "") -> str:
    """A tenant and its key; `limits` are the items of the list."""
    listed = f"limits = [{limits}]\n" if limits else ""
    return f"\n[tenants.{tenant}]\n{more}\n{listed}" + key_table(key_of(tenant), tenant, key_more)


def limited(base_url: str, *tables: str) -> str:
    """The account's deployments, and these tables."""
    zone = f'[limiting]\ntime_zone = "{noon_zone()}"\n'
    return zone + configuration.provider(base_url) + PRICED + "".join(tables)


def script(upstream: Upstream, *steps: dict[str, Any], **more: Any) -> None:
    """Every answer uses the same, unless a step says otherwise."""
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    upstream.script(*steps, **{"content": "one two three", "chunks": 3, "usage": usage, **more})


def body(model: str = "metered", **more: Any) -> bytes:
    return chat_body(model, **{"max_tokens": MAX_TOKENS, **more})


def ask(
    gateway: Gateway, tenant: str, content: bytes | None = None, *, path: str = CHAT, **headers: str
) -> Answer:
    """Ask with a tenant's key; `user="u"` is the header `x-fastgate-user`."""
    named = {f"x-fastgate-{name}": value for name, value in headers.items()}
    return gateway.fetch(
        "POST", path, body() if content is None else content, {**headers_of(tenant), **named}
    )


def headers_of(tenant: str) -> dict[str, str]:
    return {"content-type": "application/json", "authorization": f"Bearer {key_of(tenant)}"}


def code(answer: Answer) -> tuple[int, str | None]:
    """Status, and the error's code if it is one."""
    return answer.status, None if answer.status == 200 else answer.error()["code"]


def standings(gateway: Gateway, **query: str) -> dict[str, dict[str, Any]]:
    """How counts stand on the admin listener, by the name of their limit; money in picodollars."""
    asked = "&".join(f"{name}={value}" for name, value in {"limit": "1000", **query}.items())
    answer = fetch(gateway.admin_port, "GET", f"/admin/limits?{asked}")
    assert answer.status == 200, answer.body
    found: dict[str, dict[str, Any]] = {}
    for standing in answer.json()["limits"]:
        if standing["resource"] == "usd":
            money = {name: pusd(standing[name]) for name in ("amount", "used", "reserved", "remaining")}
            standing.update(money)
        assert standing["limit"] not in found, "two counts of one limit: the query is too wide"
        found[standing["limit"]] = standing
    return found


def counted(gateway: Gateway, tenant: str) -> dict[str, tuple[int, int]]:
    """What is used and reserved, by limit."""
    found = standings(gateway, tenant=tenant)
    return {limit: (standing["used"], standing["reserved"]) for limit, standing in found.items()}


def reserved(gateway: Gateway, answer: Answer) -> dict[str, Any] | None:
    """The reservation that a request left in the spool, if it did."""
    id = answer.headers["x-fastgate-request-id"]
    found = [one for one in all_records(gateway) if one["id"] == id and one.get("type") == "reservation"]
    assert len(found) <= 1
    return found[0] if found else None


def pusd(usd: str) -> int:
    """Decimal USD in picodollars, which it must be a whole number of."""
    amount = Decimal(usd).scaleb(12)
    assert amount == int(amount)
    return int(amount)


def used_by(record: Mapping[str, Any]) -> dict[str, int]:
    """What an exchange used by its record, failed attempts included, by resource."""
    attempts = [*record.get("trail", ()), record]
    usages = [attempt["usage"] for attempt in attempts if attempt.get("usage")]
    input_tokens = sum(usage[name] for usage in usages for name in usage if is_input(name))
    output_tokens = sum(usage[name] for usage in usages for name in usage if not is_input(name))
    return {
        "requests": int(record["attempts"] > 0),
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "tokens": input_tokens + output_tokens,
        "usd": sum(attempt.get("cost_pusd") or 0 for attempt in attempts),
        "concurrent": 0,
    }


def is_input(token_class: str) -> bool:
    return token_class.startswith(("input", "cache"))


def json_body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()
