"""How known vendors count tokens against their limits (`vendor_weights.toml`), by address and model."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from fastgate import _core
from fastgate.config.addresses import split_url
from fastgate.config.amounts import Multiple
from fastgate.config.units import Share


class TokenWeights(msgspec.Struct, frozen=True):
    """Shares and multiples in thousandths; as everybody else counts, unless told otherwise."""

    cache_read: int = 1000
    output: int = 1000
    reserves_max_tokens: bool = False


class _Entry(msgspec.Struct, frozen=True):
    hosts: tuple[str, ...]
    models: tuple[str, ...] | None
    weights: TokenWeights

    def fits(self, host: str, model: str | None) -> bool:
        if not host.endswith(self.hosts):
            return False
        return self.models is None or (model is not None and any(part in model for part in self.models))


def weights_of(base_url: str, model: str | None) -> TokenWeights:
    """The weights of a provider's model; `model`: as the provider knows it, None for any."""
    parts = split_url(base_url)
    host = parts[1].lower() if parts else ""
    found = (entry.weights for entry in _entries() if entry.fits(host, model))
    return next(found, TokenWeights())


def shared_weights(base_url: str, models: set[str]) -> TokenWeights:
    """The weights of a credential that serves these models: theirs if they agree, else those of any model."""
    found = {weights_of(base_url, model) for model in models}
    return found.pop() if len(found) == 1 else weights_of(base_url, None)


@cache
def _entries() -> tuple[_Entry, ...]:
    values, _ = _core.read_toml(Path(__file__).with_name("vendor_weights.toml").read_text(encoding="utf-8"))
    return tuple(map(_read, values["weights"]))


def _read(entry: dict[str, Any]) -> _Entry:
    return _Entry(
        hosts=tuple(entry["hosts"]),
        models=tuple(entry["models"]) if "models" in entry else None,
        weights=TokenWeights(
            cache_read=int(Share.parse(entry.get("cache_read", 1))),
            output=int(Multiple.parse(entry.get("output", 1))),
            reserves_max_tokens=entry.get("reserves_max_tokens", False),
        ),
    )
