"""Whether a drill has anywhere to fall back to: read from the compiled tables, before it starts."""

from collections.abc import Collection, Mapping
from typing import Any

SHOWN = 8


def warnings(tables: Mapping[str, Any], provider: str, names: Collection[str]) -> list[str]:
    """What somebody who starts a drill should know.

    Args:
        tables: The compiled configuration (`rust/core/src/tables.rs`).
        provider: Whose failure is played.
        names: The models to look at.
    """
    ids = [entry["id"] for entry in tables["providers"]]
    at_provider = {
        index
        for index, deployment in enumerate(tables["deployments"])
        if ids[deployment["provider"]] == provider
    }
    if not at_provider:
        return [f"no deployment is at {provider}: nothing will fail over"]
    said = []
    lonely = [
        f"{name} (row {row})" if len(tables["models"][name]["rows"]) > 1 else name
        for name in names
        for row in _rows_without_alternative(tables["models"].get(name, {"rows": []}), at_provider)
    ]
    if lonely:
        more = f" and {len(lonely) - SHOWN} more" if len(lonely) > SHOWN else ""
        said.append(
            f"no deployment of another provider stands in for: {', '.join(lonely[:SHOWN])}{more}; "
            "their exchanges have nowhere to go"
        )
    if any(entry["deployment"] in at_provider for entry in tables["open_providers"]):
        said.append(f"models asked for by a name of {provider}'s own have no other deployment either")
    return said


def _rows_without_alternative(route: Mapping[str, Any], at_provider: set[int]) -> list[int]:
    lonely = []
    for index, row in enumerate(route["rows"]):
        members = {member["deployment"] for step in row["chain"] for member in step["members"]}
        if members and members <= at_provider:
            lonely.append(index)
    return lonely
