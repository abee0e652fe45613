"""The settings page and the JSON Schema follow the structs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fastgate.config.reference import reference
from fastgate.config.schema import json_schema
from fastgate.config.settings import Settings
from fastgate.config.table import structs_in

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
STRUCTS = list(structs_in(Settings).values())


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "run: python -m fastgate.config.reference > docs/settings.md"


@pytest.mark.parametrize("table", STRUCTS, ids=lambda table: table.__name__)
def test_every_setting_is_documented(table: type[msgspec.Struct]) -> None:
    assert table.__struct_config__.forbid_unknown_fields
    page = reference()
    for field in msgspec.structs.fields(table):
        assert f"`{field.encode_name}` |" in page


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
    issuer, issuers = definitions["Auth"]["properties"]["jwt"]["anyOf"]
    assert issuer == issuers["items"]
    feature = definitions["When"]["properties"]["feature"]
    assert feature["anyOf"][0] == {"type": "string", "minLength": 1, "maxLength": 256}
    assert feature["anyOf"][1]["items"] == feature["anyOf"][0]
    assert feature["description"] == "Product surface."
    assert "anyOf" not in definitions["Row"]["properties"]["use"]
    assert definitions["Resilience"]["properties"]["retry_share"]["default"] == "10%"


def test_settings_have_the_names_they_are_written_with() -> None:
    drill = json_schema()["$defs"]["Drill"]
    assert {"from", "for"} <= drill["properties"].keys()
    assert set(drill["required"]) == {"provider", "percent", "for"}
    assert "| `for` | duration | required |" in reference()
    assert "| `from` | time | none |" in reference()
    assert "| `user` | text, or a list of them | none |" in reference()
