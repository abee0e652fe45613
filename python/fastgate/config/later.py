"""Settings of the design that this version does not enforce.

A limit that silently did nothing would be dangerous, so each is refused with its own message. A path's `*`
stands for any id or index.
"""

from fastgate.config.findings import Path

_SETTINGS: dict[tuple[str, ...], str] = {
    ("cache",): "caching",
    ("privacy",): "redaction of personal data",
    ("hooks",): "hooks",
}
_VALUES: dict[tuple[str, ...], frozenset[str]] = {
    ("providers", "*", "dialect"): frozenset(("bedrock", "azure", "vertex", "cohere", "ollama")),
}


def later_setting(path: Path) -> str | None:
    """What to say about a setting of a later version; None if it is simply unknown."""
    return next(
        (
            f"this version does not enforce {what} yet"
            for known, what in _SETTINGS.items()
            if _fits(known, path)
        ),
        None,
    )


def later_value(path: Path, value: object) -> str | None:
    """What to say about a value that a later version brings; None if it is simply wrong."""
    for known, values in _VALUES.items():
        if _fits(known, path) and value in values:
            return f'"{value}" is not available in this version yet'
    return None


def _fits(known: tuple[str, ...], path: Path) -> bool:
    return len(known) == len(path) and all(
        step in ("*", found) for step, found in zip(known, path, strict=True)
    )
