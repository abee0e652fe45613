"""YAML text to the same plain values that TOML gives, with a line for each.

Built from parser events rather than PyYAML's constructors, so that nothing is ever instantiated, duplicate
keys are refused, and aliases can't blow up: nodes and depth are bounded. Scalars follow YAML 1.2's core
schema: `no` and `12:30` are strings, decimals keep their text. An empty value counts as absent.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeAlias

import yaml

from fastgate.config.findings import Path
from fastgate.errors import ConfigError

MAX_DEPTH = 64
MAX_NODES = 100_000

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+|0o[0-7_]+")
_DECIMAL = re.compile(r"[-+]?([0-9][0-9_]*)?\.?[0-9][0-9_]*([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*\.")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_CORE_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}

# A scalar, the nodes of a sequence, or the names and nodes of a mapping; with its line.
_Node: TypeAlias = tuple[int, Any]


def read_yaml(text: str, file: str | None) -> tuple[Any, dict[Path, int]]:
    """Plain values of the one document in `text`, and the line of each by its path.

    Raises:
        ConfigError: The first syntax error, duplicate key, foreign tag or bound exceeded; never quotes the
            file.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        reader = _Reader(yaml.parse(text, Loader=loader), file)
        node = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"not valid YAML: {error.problem or error.context}"
        raise ConfigError(message, file=file, line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError:
        raise ConfigError("not valid YAML: a character that YAML does not allow", file=file) from None
    lines: dict[Path, int] = {}
    return _Flattener(lines, file).flatten(node, ()), lines


class _Reader:
    """Nodes from parser events; an alias refers to the very node of its anchor."""

    def __init__(self, events: Iterator[yaml.Event], file: str | None) -> None:
        self._events = events
        self._file = file
        self._anchors: dict[str, _Node] = {}

    def document(self) -> _Node:
        node: _Node = (1, {})
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, "only one YAML document is allowed")
                node = self._node(next(self._events), 0)
        return node

    def _error(self, event: yaml.Event, message: str) -> ConfigError:
        return ConfigError(message, file=self._file, line=_line(event))

    def _node(self, event: yaml.Event, depth: int) -> _Node:
        assert isinstance(event, yaml.NodeEvent)  # the grammar of events has nothing else here
        line = _line(event)
        if depth > MAX_DEPTH:
            raise self._error(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._error(event, "alias of an anchor that is not complete here")
            return self._anchors[event.anchor]
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.tag and event.tag != "!" and event.tag not in _CORE_TAGS:
            raise self._error(event, "tags are not allowed")
        node: _Node
        if isinstance(event, yaml.ScalarEvent):
            node = (line, self._scalar(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = (line, self._sequence(depth))
        else:
            node = (line, self._mapping(depth))
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _sequence(self, depth: int) -> list[_Node]:
        nodes = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, depth + 1))
        return nodes

    def _mapping(self, depth: int) -> dict[str, _Node]:
        entries: dict[str, _Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error(event, "a key must be plain text")
            if event.value == "<<":
                raise self._error(event, "merge keys are not supported")
            if event.value in entries:
                raise self._error(event, "duplicate key")
            _, value = self._node(next(self._events), depth + 1)
            entries[event.value] = (_line(event), value)
        return entries

    def _scalar(self, event: yaml.ScalarEvent) -> str | int | bool | Decimal | None:
        text = event.value
        if event.style or event.tag in ("!", "tag:yaml.org,2002:str"):
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            number = int(text.replace("_", ""), 0)
            if not -(2**63) <= number < 2**63:
                raise self._error(event, "a whole number must fit 64 bits")
            return number
        if _DECIMAL.fullmatch(text):
            return Decimal(text.replace("_", ""))
        return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Flattener:
    """Nodes to plain values; counts them, so that aliases of aliases stay bounded."""

    def __init__(self, lines: dict[Path, int], file: str | None) -> None:
        self._lines = lines
        self._file = file

    def flatten(self, node: _Node, path: Path) -> Any:
        line, value = node
        if len(self._lines) >= MAX_NODES or len(path) > MAX_DEPTH:
            raise ConfigError("more values than a configuration may hold", file=self._file, line=line)
        self._lines[path] = line
        if isinstance(value, list):
            return [self.flatten(element, (*path, index)) for index, element in enumerate(value)]
        if isinstance(value, dict):
            present = {name: entry for name, entry in value.items() if entry[1] is not None}
            return {name: self.flatten(entry, (*path, name)) for name, entry in present.items()}
        return value
