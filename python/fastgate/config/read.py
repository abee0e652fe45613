"""A configuration file to plain values that know their lines, with `${ENV}` filled in.

`${NAME}` is the variable's value, `${NAME:-default}` falls back where it is unset or empty, `$${` is a
literal `${`. Works in any string that is a value, never in a name. Errors name the variable, never what it
holds.
"""

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from fastgate import _core
from fastgate.config.findings import Document, Findings, Path
from fastgate.errors import ConfigError

MAX_FILE_BYTES = 4 * 2**20

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


def read_file(file: FilePath) -> Document:
    """Read TOML, or YAML where the name ends in `.yaml` or `.yml`; variables are not filled in yet.

    Raises:
        ConfigError: The file can't be read, or is not valid.
    """
    name = str(file)
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", file=name) from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"larger than {MAX_FILE_BYTES} bytes", file=name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8", file=name, line=line) from None
    return read_text(text, file=name, yaml=file.suffix in (".yaml", ".yml"))


def read_text(text: str, *, file: str | None, yaml: bool = False) -> Document:
    """Plain values and lines of a TOML or YAML text.

    Raises:
        ConfigError: The first syntax error, with its line.
    """
    if yaml:
        from fastgate.config.yaml_text import read_yaml

        values, lines = read_yaml(text, file)
        if values is None:
            values = {}
        if not isinstance(values, dict):
            raise ConfigError("must be a mapping at the top", file=file, line=1)
        return Document(file, values, lines)
    try:
        values, lines = _core.read_toml(text)
    except ValueError as error:
        message, line, column = error.args
        raise ConfigError(f"not valid TOML: {message}, column {column}", file=file, line=line) from None
    return Document(file, values, lines)


def fill_in(document: Document, environment: Mapping[str, str], findings: Findings) -> Document:
    """The document with every `${NAME}` replaced; what is missing goes to `findings`."""
    return Document(document.file, _fill(document.values, (), environment, findings), document.lines)


def _fill(value: Any, path: Path, environment: Mapping[str, str], findings: Findings) -> Any:
    if isinstance(value, dict):
        return {name: _fill(entry, (*path, name), environment, findings) for name, entry in value.items()}
    if isinstance(value, list):
        return [_fill(entry, (*path, index), environment, findings) for index, entry in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replace(match: re.Match[str]) -> str:
        name, default = match.groups()
        if match[0] == "$${":
            return "${"
        if name is None:
            findings.add(path, "${ without a variable's name and a closing }", "write $${ for a literal ${")
            return ""
        found = environment.get(name)
        if default is not None:
            return found or default
        if found is None:
            findings.add(
                path,
                f"environment variable {name} is not set",
                f"set it, or give a default: ${{{name}:-default}}",
            )
            return ""
        return found

    return _REFERENCE.sub(replace, value)
