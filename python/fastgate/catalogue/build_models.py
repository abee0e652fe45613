"""Windows of the package `genai-prices`: `python -m fastgate.catalogue.build_models`.

Writes `windows.json`, one model a line, so that an update of the package shows as changed lines: by provider
the context window in tokens of every model that it prices, `null` where it states none, and whose models the
provider serves beside its own. How names find a model is `rust/core/data/prices.json`'s to say; both are made
from one version of the package.
"""

import json
from importlib.metadata import version
from pathlib import Path

from genai_prices.data import providers

PACKAGE = "genai-prices"
FILE = Path(__file__).with_name("windows.json")


def windows() -> str:
    """The file's text."""
    blocks = []
    for provider in providers:
        models = [f"{json.dumps(model.id)}:{json.dumps(model.context_window)}" for model in provider.models]
        fallback = json.dumps(provider.fallback_model_providers or [], separators=(",", ":"))
        head = f'{json.dumps(provider.id)}:{{"fallback":{fallback},"models":{{'
        blocks.append("\n".join([head, ",\n".join(models), "}}"]))
    head = f'{{"package":{json.dumps(PACKAGE)},"version":{json.dumps(version(PACKAGE))},"providers":{{'
    return "\n".join([head, ",\n".join(blocks), "}}"]) + "\n"


if __name__ == "__main__":
    FILE.write_text(windows(), encoding="utf-8")
    print(
        f"{FILE}: {PACKAGE} {version(PACKAGE)}, {sum(len(provider.models) for provider in providers)} models"
    )
