"""The upstream faults of failoverbench's catalogue and what it asks of a gateway, with streams, as there.

The catalogue says in words what the provider does; `FAULTS` says the same to the mock provider. Its checks
are read from the file, so a check of a kind that is not known here fails.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY, key_table
from tests.blackbox.conftest import ALL_DOORS, SHARED
from tests.blackbox.gateway import Gateway, running
from tests.blackbox.upstream import Upstream

from fastgate.config.yaml_text import read_yaml

TEXT = "one two three four five six seven eight nine ten"
FAULTS: dict[str, dict[str, Any]] = {
    "S01": {"status": 429, "headers": {"retry-after": "2"}, "times": 1},
    "S02": {"status": 429, "times": "always"},
    "S03": {"status": 500, "times": 1},
    "S04": {"status": 503, "times": "always"},
    "S05": {"reset": "before_headers", "times": 1},
    "S06": {"stall": "before_headers", "times": "always"},
    "S07": {"first_token_ms": 20_000, "times": "always"},
    "S08": {"cut": "events:7", "times": "always"},
}
"""By scenario; an answer has ten pieces of content between its role and its end."""


def scenarios() -> list[dict[str, Any]]:
    file = SHARED / "failures" / "scenarios.yaml"
    if not file.exists():
        return []
    found: list[dict[str, Any]] = read_yaml(file.read_text(), None)[0]["scenarios"]
    return found


SCENARIOS = scenarios()


@pytest.fixture(scope="module", params=ALL_DOORS)
def failing_over(
    request: pytest.FixtureRequest, provider: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A primary for each scenario with a fall-back behind it, and the defaults of `[resilience]`."""
    tables = [
        configuration.provider(provider.base_url),
        configuration.provider(provider.base_url).replace("upstream", "backup"),
        '[deployments.fb-ok]\nprovider = "backup"\nmodel = "fb-ok"\n[tenants.acme]\n',
    ]
    for scenario in SCENARIOS:
        name = scenario["model"]
        tables.append(
            f'[deployments.primary-{name}]\nprovider = "upstream"\nmodel = "{name}-primary"\ntimeout = "1s"\n'
            f'[models.{name}]\nuse = ["primary-{name}", "fb-ok"]\n'
        )
    config = "".join(tables) + key_table(KEY)
    folder = tmp_path_factory.mktemp(f"scenarios-{request.param}")
    with running(request.param, folder, config, resilience="") as gateway:
        yield gateway


@dataclass
class Run:
    """What came of a scenario."""

    text: str
    error: Exception | None
    wall_s: float
    attempts_at: list[float]
    """When the primary was called, in seconds from its first call."""


def check(kind: str, asked: dict[str, Any], run: Run, scenario: dict[str, Any]) -> bool:
    attempts = len(run.attempts_at)
    match kind:
        case "no_hang":
            return run.wall_s <= float(scenario["max_wall_s"])
        case "no_truncated_success":
            return run.error is not None or run.text == TEXT
        case "complete":
            return run.error is None and run.text == TEXT
        case "attempts_primary_min":
            return attempts >= int(asked["value"])
        case "attempts_primary_max":
            return attempts <= int(asked["value"])
        case "attempts_primary_eq":
            return attempts == int(asked["value"])
        case "first_gap_min_s":
            return attempts < 2 or run.attempts_at[1] >= float(asked["value"])
        case "max_attempts_within":
            window_s = float(asked["window_s"])
            return sum(1 for at in run.attempts_at if at <= window_s) <= int(asked["value"])
        case "wall_max_s":
            return run.wall_s <= float(asked["value"])
    raise AssertionError(f"the catalogue asks for {kind}, which this test does not know")


@pytest.mark.skipif(
    not SCENARIOS, reason="no recorded data: failures/scenarios.yaml is not beside this clone"
)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario["id"]))
def test_a_scenario_passes_every_check(
    failing_over: Gateway, upstream: Upstream, scenario: dict[str, Any]
) -> None:
    model = scenario["model"]
    step = {"when": {"model": f"{model}-primary"}, **FAULTS[scenario["id"]]}
    upstream.script(step, content=TEXT, chunks=10, stall_ms=20_000)
    text, error = "", None
    begun = time.monotonic()
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{failing_over.port}/v1", api_key=KEY, max_retries=2, timeout=30
    ) as client:
        try:
            for chunk in client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Hi"}], stream=True
            ):
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
        except openai.APIError as raised:
            error = raised
    wall_s = time.monotonic() - begun
    calls = [call["at"] for call in upstream.mock.requests() if b"-primary" in call["body"]]
    run = Run(text, error, wall_s, [at - calls[0] for at in calls])
    failed = [asked["id"] for asked in scenario["checks"] if not check(asked["kind"], asked, run, scenario)]
    assert not failed, (failed, run)
    # The catalogue's own verdict for that: rescued, unless a stream had begun.
    assert (error is None and text == TEXT) or scenario["id"] == "S08", run
