"""The manual names every field, and every example of a fault in it can be used."""

import ast
import re
from pathlib import Path

import pytest

from fastgate._core import MockProvider

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "mock.md").read_text(encoding="utf-8")
FAULTS = re.findall(
    r"`([a-z_.-]+=[^`]+)`", MANUAL.partition("| fault | example |")[2].partition("## Fields")[0]
)


def declared_fields() -> set[str]:
    stub = ast.parse((ROOT / "python" / "fastgate" / "_core.pyi").read_text(encoding="utf-8"))
    (behaviour,) = (
        node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "MockBehaviour"
    )
    targets = (node.target for node in behaviour.body if isinstance(node, ast.AnnAssign))
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_stub_manual_and_engine_name_the_same_fields() -> None:
    rows = MANUAL.partition("## Fields")[2].partition("## Looking at it")[0].splitlines()
    documented = {
        name for row in rows if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    with pytest.raises(ValueError, match="unknown field") as refused:
        MockProvider(script='{"defaults": {"no_such_field": 1}}')
    known = set(re.findall(r"`(\w+)`", str(refused.value).partition("expected one of")[2]))
    assert documented == known == declared_fields()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_example_is_read(provider: MockProvider, fault: str) -> None:
    fields = {}
    for part in fault.split(";"):
        name, _, value = part.partition("=")
        if "." not in name:
            fields[name] = int(value) if value.isdigit() else value
    MockProvider(**fields).stop()  # type: ignore[arg-type]


def test_there_are_examples() -> None:
    assert len(FAULTS) > 20
