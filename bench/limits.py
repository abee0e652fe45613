"""Eight limits that every request of a run counts against and none exceeds: what it costs to have them on."""

import json

ENOUGH = 4_000_000_000
LIMITS: tuple[dict[str, object], ...] = (
    {"per": "tenant", "tokens": ENOUGH, "window": "1m"},
    {"per": "tenant", "requests": ENOUGH, "window": "day"},
    {"per": "user", "tokens": ENOUGH, "window": "1h"},
    {"per": "user", "concurrent": 10_000},
    {"per": "key", "requests": ENOUGH // 10, "window": "1m"},
    {"per": ["tenant", "model"], "input_tokens": ENOUGH, "window": "1h"},
    {"per": "feature", "output_tokens": ENOUGH, "window": "day"},
    {"per": "tenant", "usd": 100_000, "window": "month"},  # money is hard: its reservation is spooled first
)


def limits_config() -> str:
    """The lines of a config that set them."""
    tables = (
        "\n".join(["[[limits]]", *(f"{key} = {json.dumps(value)}" for key, value in limit.items())])
        for limit in LIMITS
    )
    return "\n".join(tables)
