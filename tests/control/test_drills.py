"""The control plane looks after drills, and counts configurations."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.control.test_control import FakeEngine

from fastgate.control import ControlPlane
from fastgate.errors import ConfigError, StartError

ENVIRONMENT = {"OPENAI_API_KEY": "sk"}
DRILL: dict[str, Any] = {"provider": "openai", "percent": 10, "for": "1h"}


class DrillingEngine(FakeEngine):
    """One that knows of drills."""

    def __init__(self, tables: bytes) -> None:
        super().__init__(tables)
        self.drills: list[dict[str, Any]] = []
        self.counts: dict[str, Any] = {}
        self.told = 0

    def set_drills(self, drills: bytes) -> None:
        self.drills = json.loads(drills)
        self.told += 1

    def drill_counts(self) -> bytes:
        return json.dumps(self.counts).encode()


class Gateways:
    """Control planes over one state directory, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "fastgate.toml"
        self.write("[providers.openai]\n")
        self.control: ControlPlane | None = None

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def start(self, **more: Any) -> tuple[ControlPlane, DrillingEngine]:
        self.control = ControlPlane(self.file, ENVIRONMENT, make_engine=DrillingEngine, **more)
        assert isinstance(self.control.engine, DrillingEngine)
        return self.control, self.control.engine


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    found = Gateways(tmp_path)
    yield found
    if found.control is not None:
        found.control.close(0)


def test_a_gateway_without_drills_has_nothing_of_them(gateways: Gateways) -> None:
    control, engine = gateways.start()
    control.poll()
    control.reload()
    assert engine.told == 0
    assert not (control.state_dir / "drills").exists()
    assert control._drills is None


def test_the_poll_looks_after_them(gateways: Gateways) -> None:
    control, engine = gateways.start()
    drill = control.drills.start(DRILL, by="ops")
    engine.counts[drill.id] = {"exchanges": 50, "failed": 50, "forced": 50}
    control.poll()
    assert engine.drills == []
    assert control.drills.find(drill.id)["state"] == "tripped"


def test_they_survive_a_reload_and_a_restart(gateways: Gateways) -> None:
    control, engine = gateways.start()
    drill = control.drills.start(DRILL, by="ops")
    engine.drills = []
    assert control.reload()
    assert [entry["id"] for entry in engine.drills] == [drill.id]
    control.close(0)
    control, engine = gateways.start()
    assert [entry["id"] for entry in engine.drills] == [drill.id]
    gateways.write("[providers.groq]\n")
    ENVIRONMENT_GROQ = {**ENVIRONMENT, "GROQ_API_KEY": "g"}
    control.close(0)
    control = ControlPlane(gateways.file, ENVIRONMENT_GROQ, make_engine=DrillingEngine)
    gateways.control = control
    assert control.drills.find(drill.id)["why"] == "openai is no longer configured"


def test_what_fails_about_them_ends_no_gateway(gateways: Gateways, caplog: pytest.LogCaptureFixture) -> None:
    control, engine = gateways.start()
    control.drills.start(DRILL, by="ops")

    def fail() -> bytes:
        raise RuntimeError("broken")

    engine.drill_counts = fail  # type: ignore[method-assign]  # that is the point
    control.poll()
    control.poll()
    assert caplog.text.count("looking after the drills failed") == 1
    control.close(0)
    caplog.clear()

    class Unwilling(DrillingEngine):
        def set_drills(self, drills: bytes) -> None:
            raise RuntimeError("broken")

    gateways.control = ControlPlane(gateways.file, ENVIRONMENT, make_engine=Unwilling)
    assert "drills can't be gone on with" in caplog.text


def test_a_process_that_does_not_hold_the_directory_has_none(gateways: Gateways) -> None:
    control, _ = gateways.start(lock=False)
    with pytest.raises(StartError, match="holds the state directory"):
        _ = control.drills


def test_configurations_are_counted(gateways: Gateways) -> None:
    control, _ = gateways.start()
    assert control.generation == 1
    assert control.apply() == []
    gateways.write("[providers.openai]\n[server]\nthreads = 2\n")
    assert control.apply() == ["server.threads"]
    assert control.generation == 3
    gateways.write("[providers.openai]\nnonsense = 1\n")
    with pytest.raises(ConfigError, match="nonsense"):
        control.apply()
    assert control.reload() is False
    assert control.generation == 3


def test_reloads_from_several_threads_come_one_after_the_other(gateways: Gateways) -> None:
    control, engine = gateways.start()
    taken: list[bool] = []

    def reload(tables: bytes) -> None:
        engine.tables = json.loads(tables)
        other = threading.Thread(target=lambda: taken.append(control._reloading.acquire(blocking=False)))
        other.start()
        other.join()

    engine.reload = reload  # type: ignore[method-assign]  # that is the point
    threads = [threading.Thread(target=control.reload) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert control.generation == 9
    assert taken == [False] * 8, "no other thread could have come in between"


def test_the_gateway_of_this_process_is_the_one_that_is_open(gateways: Gateways) -> None:
    control, _ = gateways.start()
    assert ControlPlane.of_this_process() is control
    control.close(0)
    assert ControlPlane.of_this_process() is not control
