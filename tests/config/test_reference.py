"""The settings page and the JSON Schema follow the structs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fastgate.config import settings
from fastgate.config.reference import reference
from fastgate.config.schema import json_schema
from fastgate.config.vendors import vendors

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
STRUCTS = [
    value
    for value in vars(settings).values()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and not value.__name__.startswith("_")
]


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "run: python -m fastgate.config.reference > docs/settings.md"


@pytest.mark.parametrize("table", STRUCTS, ids=lambda table: table.__name__)
def test_every_setting_is_documented(table: type[msgspec.Struct]) -> None:
    assert table.__struct_config__.forbid_unknown_fields
    page = reference()
    for field in msgspec.structs.fields(table):
        assert f"`{field.name}` |" in page


def test_the_schema_describes_every_setting() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema

    def tables(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "properties" in node:
                yield node
            for child in node.values():
                yield from tables(child)
        elif isinstance(node, list):
            for child in node:
                yield from tables(child)

    found = list(tables(schema))
    assert len(found) == len(STRUCTS)
    for table in found:
        assert table["additionalProperties"] is False
        for setting in table["properties"].values():
            assert setting["description"]


def test_the_schema_knows_short_forms_and_units() -> None:
    definitions = json_schema()["$defs"]
    first = definitions["Timeouts"]["anyOf"][0]
    assert first["type"] == "string"
    assert first["default"] == "2m"
    assert definitions["Server"]["properties"]["shutdown_grace"]["default"] == "30s"
    key, keys = definitions["Provider"]["properties"]["api_key"]["anyOf"]
    assert key == keys["items"]


def test_vendors_are_well_formed() -> None:
    prefixes = [prefix for vendor in vendors().values() for prefix in vendor.prefixes]
    assert len(prefixes) == len(set(prefixes))
    for vendor in vendors().values():
        assert vendor.base_url.startswith("https://")
        assert not vendor.base_url.endswith("/")
        assert vendor.environment.endswith("_API_KEY")
