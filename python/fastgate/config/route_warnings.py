"""What a configuration's routes will be regretted for: rows that never match, tenants left without a route.

The core finds it in the tables, name by name; here it gets the place where it was written. Names that nobody
wrote a route for (ids, `provider/model`, bare names) are left out.
"""

import re

from fastgate import _core
from fastgate.config.findings import Path, dotted
from fastgate.config.loading import Config
from fastgate.errors import ConfigError

_PLACE = re.compile(r"models\.(?P<name>.+?)(?:\.rows\[(?P<row>[0-9]+)\].*)?")


def route_warnings(config: Config, tables: bytes) -> list[ConfigError]:
    """What to tell the user, in the order of the file. These are never raised: the gateway serves."""
    names = {name: [name, *model.aliases] for name, model in config.settings.models.items()}
    owners = {name: owner for owner, known in names.items() for name in known}
    told: dict[tuple[Path, str], set[str]] = {}
    for place, message in _core.check_routes(tables):
        match = _PLACE.fullmatch(place)
        name = match["name"].strip('"') if match else None
        if match and name in owners:
            path = _path(config, owners[name], match["row"])
            told.setdefault((path, message), set()).add(name)
    found = [
        ConfigError(message, path=dotted(path), file=config.source.file, line=config.source.line(path))
        for (path, message), told_for in told.items()
        if told_for.issuperset(_meant(config, path, names))
    ]
    return sorted(found, key=lambda warning: warning.line or 0)


def _path(config: Config, model: str, row: str | None) -> Path:
    if row is None or config.settings.models[model].rows is None:
        return ("models", model)
    return ("models", model, "rows", int(row))


def _meant(config: Config, path: Path, names: dict[str, list[str]]) -> list[str]:
    """The names that a row is for: what never matches under one of them may under another."""
    if len(path) == 2:
        return []
    _, model, _, index = path
    row = (config.settings.models[str(model)].rows or ())[int(index)]
    return (row.when and row.when.model) or names[str(model)]
