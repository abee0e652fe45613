"""The JSON Schema of the configuration, for editors and `fastgate check --schema`."""

from typing import Any

import msgspec

from fastgate.config import settings
from fastgate.config.settings import Settings, default_of
from fastgate.config.units import Duration, Size

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of a whole file; what a struct's shorthand allows is in it."""
    (_,), definitions = msgspec.json.schema_components((Settings,), schema_hook=_schema_of)
    for name, definition in definitions.items():
        for field in msgspec.structs.fields(getattr(settings, name)):
            default = default_of(field)
            if isinstance(default, Duration | Size):
                definition["properties"][field.name]["default"] = str(default)
        shorthand = getattr(getattr(settings, name), "shorthand", None)
        if shorthand is not None:
            plain = definition["properties"][shorthand]
            definitions[name] = {"anyOf": [plain, definition], "description": definition["description"]}
    # One API key, one issuer stands for a list of one.
    for table, name in (("Provider", "api_key"), ("Auth", "jwt")):
        several = definitions[table]["properties"][name]
        definitions[table]["properties"][name] = {
            "description": several.pop("description"),
            "default": several.pop("default"),
            "anyOf": [several["items"], several],
        }
    root = definitions.pop("Settings")
    return {"$schema": _DIALECT, **root, "title": "fastgate", "$defs": definitions}


def _schema_of(kind: Any) -> dict[str, Any]:
    schema: dict[str, Any] = kind.schema
    return schema
