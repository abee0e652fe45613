"""The examples of docs/core.md do what they say."""

import os
import re
from pathlib import Path

import pytest

import fastgate.core

MANUAL = Path(__file__).parents[2] / "docs" / "core.md"
EXAMPLES = re.findall(r"^## (.+?)$.*?^```python\n(.*?)^```$", MANUAL.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_the_example_runs(title: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.endswith("_API_KEY") or name == "FASTGATE_CONFIG"]:
        monkeypatch.delenv(name)
    exec(compile(code, f"{MANUAL.name}: {title}", "exec"), {"STATE_DIR": str(tmp_path / "state")})


def test_every_name_of_the_core_has_an_example() -> None:
    code = "".join(code for _, code in EXAMPLES)
    results = {"Price", "SseEvent"}  # what `price` and `SseReader` give
    assert {name for name in fastgate.core.__all__ if name not in code} == results
    assert len(EXAMPLES) == 6
