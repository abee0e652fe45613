"""An admin listener that commands find by a configuration in the working directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.admin.conftest import OPERATOR, Listener, listening
from tests.admin.test_thread import Served


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTGATE_ADMIN_TOKEN", OPERATOR)
    monkeypatch.delenv("FASTGATE_CONFIG", raising=False)
    with listening() as listener:
        write_config(listener)
        found = Served(listener, tmp_path / "state")
        yield found
        listener.engine.stop(0)
        found.thread.close()


def write_config(listener: Listener) -> None:
    text = f'[server]\nadmin = "{listener.address}"\n[providers.openai]\napi_key = "x"\n'
    Path("fastgate.toml").write_text(text)
