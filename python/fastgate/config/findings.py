"""What is wrong with a configuration, gathered so that all of it can be reported at once."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from fastgate.errors import ConfigError, ConfigErrors

Path: TypeAlias = tuple[str | int, ...]


class Document(msgspec.Struct, frozen=True):
    """A configuration file as read: plain values, and where each stands."""

    file: str | None
    values: dict[str, Any]
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int | None:
        """The line of a setting, or of the nearest table around it that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path) if path else None

    def __repr__(self) -> str:
        return f"Document({self.file!r})"


class Findings:
    """Errors of one document; raised together."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.errors: list[ConfigError] = []

    def add(self, path: Path, message: str, hint: str | None = None) -> None:
        """Note what is wrong with the setting at `path`; `message` holds no value that may be secret.

        A path into a list leads to the value that stands for it in the file.
        """
        if path[:-1] in self.document.lines and path not in self.document.lines and path[-1] == 0:
            path = path[:-1]
        line = self.document.line(path)
        self.errors.append(
            ConfigError(message, path=dotted(path), file=self.document.file, line=line, hint=hint)
        )

    def raise_any(self) -> None:
        """Raise ConfigErrors if anything was found."""
        if self.errors:
            raise ConfigErrors(self.errors)


def dotted(path: Path) -> str:
    """`("keys", 0, "tenant")` as people write it: `keys[0].tenant`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if step.replace("-", "").replace("_", "").isalnum() else f'"{step}"'
            text += f".{name}" if text else name
    return text


def hinted(message: str, name: str, known: Iterable[str]) -> str:
    """The message about a name that does not exist, with the hint of `did_you_mean` behind it."""
    hint = did_you_mean(name, known)
    return f"{message} ({hint})" if hint else message


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint naming the most similar of the known names, or listing them when they are few."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return "known: " + ", ".join(names) if 0 < len(names) <= 12 else None
