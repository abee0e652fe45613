"""The control plane looks after limits, and keeps hard ones from several workers."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.control.test_control import FakeEngine
from tests.limits.conftest import FakeEngine as LimitEngine

from fastgate.control import ControlPlane
from fastgate.errors import ConfigError, StartError

ENVIRONMENT = {"OPENAI_API_KEY": "sk"}
TEXT = "[providers.openai]\n"
HARD = '[tenants.default]\nlimits = [{ name = "budget", usd = 5, window = "month" }]\n'
SOFT = HARD.replace('window = "month"', 'window = "month", hard = false')
RAISE: dict[str, Any] = {"rule": "budget", "to": 8, "for": "1h"}


class LimitedEngine(LimitEngine, FakeEngine):
    """One that knows of limits."""

    def __init__(self, tables: bytes) -> None:
        FakeEngine.__init__(self, tables)
        LimitEngine.__init__(self)
        self.refuse: Any = None


class Gateways:
    """Control planes over one state directory, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "fastgate.toml"
        self.control: ControlPlane | None = None

    def start(self, text: str, **more: Any) -> tuple[ControlPlane, LimitedEngine]:
        self.file.write_text(TEXT + text)
        self.control = ControlPlane(self.file, ENVIRONMENT, make_engine=LimitedEngine, **more)
        assert isinstance(self.control.engine, LimitedEngine)
        return self.control, self.control.engine


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    found = Gateways(tmp_path)
    yield found
    if found.control is not None:
        found.control.close(0)


def event() -> dict[str, Any]:
    return {"rule": "budget", "identity": {}, "kind": "warned", "share_permille": 800, "unix_ms": 1}


def test_a_gateway_without_limits_saves_the_code_for_them(gateways: Gateways) -> None:
    control, engine = gateways.start("")
    engine.events = [event()]
    control.poll()
    assert engine.events, "nobody looks"
    assert not (gateways.folder / "state" / "limits").exists()
    # Whoever asks gets an answer all the same.
    assert control.limits.raises() == []


def test_events_are_told_by_the_poll(gateways: Gateways, caplog: pytest.LogCaptureFixture) -> None:
    control, engine = gateways.start(HARD)
    engine.events = [event()]
    control.poll()
    assert "limit budget warns at 80.0 %" in caplog.text


def test_raises_go_on_over_a_restart(gateways: Gateways) -> None:
    control, engine = gateways.start(HARD)
    control.limits.start_raise(RAISE, by="ops")
    assert [one["rule"] for one in engine.raises] == ["budget"]
    control.close(0)
    control, engine = gateways.start(HARD)
    assert [one["rule"] for one in engine.raises] == ["budget"]
    control.close(0)
    control, engine = gateways.start("")
    assert engine.raises == []
    assert control.limits.raises()[0]["why"] == "the configuration no longer has this limit"


def test_a_reload_brings_limits_and_takes_them(gateways: Gateways) -> None:
    control, engine = gateways.start("")
    gateways.file.write_text(TEXT + HARD)
    control.apply()
    control.limits.start_raise(RAISE, by="ops")
    told = engine.told
    gateways.file.write_text(TEXT + HARD + "warn = 1")
    with pytest.raises(ConfigError):
        control.apply()
    assert engine.told == told, "a rejected configuration changes nothing"
    gateways.file.write_text(TEXT)
    control.apply()
    assert engine.raises == []


def test_what_breaks_is_logged_once_and_hurts_nobody(
    gateways: Gateways, caplog: pytest.LogCaptureFixture
) -> None:
    control, engine = gateways.start(HARD)
    for _ in range(3):
        engine.events = [{"rule": 5}]
        control.poll()
    failed = [record for record in caplog.records if "looking after the limits failed" in record.message]
    assert len(failed) == 1
    engine.events = [event()]
    control.poll()
    assert "limit budget warns at 80.0 %" in caplog.text


def test_a_hard_limit_is_refused_where_several_workers_would_count_apart(gateways: Gateways) -> None:
    with pytest.raises(ConfigError) as caught:
        gateways.start(HARD, lock=False)
    said = str(caught.value)
    assert said.startswith(f"{gateways.file}:3: tenants.default.limits[0]: ")
    assert "several workers can't keep it together (run one worker" in said
    control, engine = gateways.start(SOFT, lock=False)
    assert engine.tables["limits"]
    with pytest.raises(StartError, match="the process that holds the state directory"):
        _ = control.limits
    gateways.file.write_text(TEXT + HARD)
    with pytest.raises(ConfigError, match="is hard"):
        control.apply()
    assert engine.reloads == 0


def test_what_will_be_regretted_is_logged_at_the_start(
    gateways: Gateways, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        gateways.start('[tenants.acme]\nlimits = [{ usd = 5, window = "month" }]\n')
    assert (
        "tenants.acme.limits[0]: can never match: without [[keys]] every client is tenant default"
        in caplog.text
    )
