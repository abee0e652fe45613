"""Models that have nowhere to go while a drill runs."""

from typing import Any

from fastgate.drills.alternatives import warnings

PROVIDERS = [{"id": "anthropic"}, {"id": "openai"}]
DEPLOYMENTS = [
    {"id": "opus", "provider": 0},
    {"id": "haiku", "provider": 0},
    {"id": "gpt", "provider": 1},
    {"id": "anthropic", "provider": 0},
]


def row(*steps: list[int]) -> dict[str, Any]:
    chain = [{"members": [{"deployment": member, "weight": 1} for member in step]} for step in steps]
    return {"when": {}, "chain": chain}


def tables(models: dict[str, list[dict[str, Any]]], open_deployments: tuple[int, ...] = ()) -> dict[str, Any]:
    return {
        "providers": PROVIDERS,
        "deployments": DEPLOYMENTS,
        "models": {name: {"rows": rows} for name, rows in models.items()},
        "open_providers": [{"deployment": index} for index in open_deployments],
    }


def test_rows_of_one_provider_are_named() -> None:
    found = tables(
        {
            "both": [row([0], [2])],
            "group": [row([0, 2])],
            "lonely": [row([0], [1])],
            "second": [row([2]), row([0, 1])],
            "other": [row([2])],
        }
    )
    assert warnings(found, "anthropic", list(found["models"])) == [
        "no deployment of another provider stands in for: lonely, second (row 1); "
        "their exchanges have nowhere to go"
    ]
    assert warnings(found, "anthropic", ["both", "group", "other"]) == []


def test_long_lists_are_cut() -> None:
    found = tables({f"m{number}": [row([0])] for number in range(30)})
    (said,) = warnings(found, "anthropic", list(found["models"]))
    assert "m7 and 22 more" in said


def test_a_provider_that_nothing_leads_to() -> None:
    found = tables({}) | {"deployments": DEPLOYMENTS[2:3]}
    assert warnings(found, "anthropic", []) == ["no deployment is at anthropic: nothing will fail over"]


def test_open_providers() -> None:
    (said,) = warnings(tables({}, open_deployments=(3,)), "anthropic", [])
    assert "by a name of anthropic's own" in said
    assert warnings(tables({}, open_deployments=(2,)), "anthropic", []) == []
