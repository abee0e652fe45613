"""The JSON Schema of the configuration, for editors and `fastgate check --schema`."""

from typing import Any

import msgspec

from fastgate.config.settings import Settings
from fastgate.config.table import default_of, may_stand_alone, structs_in
from fastgate.config.units import WITH_UNIT

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of a whole file; what a struct's shorthand allows is in it."""
    (_,), definitions = msgspec.json.schema_components((Settings,), schema_hook=_schema_of)
    for name, table in structs_in(Settings).items():
        definition = definitions[name]
        properties = definition["properties"]
        for field in msgspec.structs.fields(table):
            default = default_of(field)
            if isinstance(default, WITH_UNIT):
                properties[field.encode_name]["default"] = str(default)
            if may_stand_alone(field.type):
                properties[field.encode_name] = _or_alone(properties[field.encode_name])
        shorthand = getattr(table, "shorthand", None)
        if shorthand is not None:
            plain = properties[shorthand]
            definitions[name] = {"anyOf": [plain, definition], "description": definition["description"]}
    root = definitions.pop("Settings")
    return {"$schema": _DIALECT, **root, "title": "fastgate", "$defs": definitions}


def _or_alone(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list, or a list or null, that a single element may stand for."""
    around: dict[str, Any] = {name: schema.pop(name) for name in ("description", "default") if name in schema}
    choices = schema.get("anyOf", [schema])
    several = next(choice for choice in choices if choice.get("type") == "array")
    return {**around, "anyOf": [several["items"], *choices]}


def _schema_of(kind: Any) -> dict[str, Any]:
    schema: dict[str, Any] = kind.schema
    return schema
