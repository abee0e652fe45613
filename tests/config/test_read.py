"""Configuration text: positions, TOML and YAML alike, environment variables."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import fastgate.config.yaml_text  # noqa: F401 - so that no example pays for the import
from fastgate.config.findings import Document, Findings
from fastgate.config.read import MAX_FILE_BYTES, fill_in, read_file, read_text
from fastgate.errors import ConfigError, ConfigErrors

names = st.text("abcdefghijklmnopqrstuvwxyz_-0123456789", min_size=1, max_size=8)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)
scalars = texts | st.booleans() | st.integers(-(2**63), 2**63 - 1)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


def toml(value: Any) -> str:
    """A value in TOML's inline form."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" if c in '"\\' or ord(c) > 126 else c for c in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}" = {toml(entry)}' for name, entry in value.items()) + "}"
    return str(value)


class Quoting(yaml.SafeDumper):
    """Quotes every string: PyYAML's own choice follows YAML 1.1, where `1E5` is text."""


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@given(st.dictionaries(names, values, max_size=5))
def test_toml_and_yaml_mean_the_same(document: dict[str, Any]) -> None:
    as_toml = "\n".join(f'"{name}" = {toml(value)}' for name, value in document.items())
    as_yaml = yaml.dump(document, Dumper=Quoting, allow_unicode=True, sort_keys=False)
    assert read_text(as_toml, file="x.toml").values == document
    assert read_text(as_yaml, file="x.yaml", yaml=True).values == document


@given(st.lists(names, min_size=1, max_size=6, unique=True), st.integers(0, 3))
def test_lines_are_those_of_the_keys(keys: list[str], blank: int) -> None:
    gap = "\n" * blank
    for text, is_yaml in (
        ("\n".join(f'{gap}"{key}" = 1' for key in keys), False),
        ("\n".join(f'{gap}"{key}": 1' for key in keys), True),
    ):
        lines = read_text(text, file="x", yaml=is_yaml).lines
        assert [lines[(key,)] for key in keys] == [(index + 1) * (blank + 1) for index in range(len(keys))]


@pytest.mark.parametrize(("is_yaml", "separator"), [(False, "="), (True, ":")])
def test_decimals_keep_their_text(is_yaml: bool, separator: str) -> None:
    document = read_text(f"a{separator} 0.1000000000000000055\n", file="x", yaml=is_yaml)
    assert document.values == {"a": Decimal("0.1000000000000000055")}


def test_yaml_reads_what_people_mean() -> None:
    text = "region: no\nwhen: 12:30\nday: 2027-01-31\nempty:\nquoted: '5'\nhex: 0x10\nbig: 1_000\non: on\n"
    assert read_text(text, file="x", yaml=True).values == {
        "region": "no",
        "when": "12:30",
        "day": "2027-01-31",
        "quoted": "5",
        "hex": 16,
        "big": 1000,
        "on": "on",
    }


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3", 3, "duplicate key"),
        ("a: !!python/object:os.system {}", 1, "tags"),
        ("a: !secret-value x", 1, "tags"),
        ("a: !!int '5'", 1, "tags"),
        ("a: 1\nb: [secret-value", 2, "not valid YAML"),
        ("a: &x 1\n---\nb: 2", 2, "one YAML document"),
        ("a: &x {b: *x}", 1, "anchor"),
        ("a: &x {b: 1}\nc:\n  <<: *x", 3, "merge keys"),
        ("- 1", 1, "mapping"),
        ("? [a]\n: 1", 1, "plain text"),
        ("a: 99999999999999999999", 1, "64 bits"),
        ("a: " + "[" * 100 + "]" * 100, 1, "nested deeper"),
    ],
)
def test_yaml_refuses(text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read_text(text, file="x.yaml", yaml=True)
    assert caught.value.line == line
    assert "secret-value" not in str(caught.value)


def test_yaml_aliases_are_bounded() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    with pytest.raises(ConfigError, match="more values"):
        read_text(bomb, file="x.yaml", yaml=True)


def test_yaml_aliases_work() -> None:
    text = "a: &a {x: 1}\nb: *a\n"
    assert read_text(text, file="x.yaml", yaml=True).values == {"a": {"x": 1}, "b": {"x": 1}}


def test_toml_errors_have_line_and_column() -> None:
    with pytest.raises(ConfigError) as caught:
        read_text("a = 1\nsecret-value = = 2", file="x.toml")
    assert str(caught.value).startswith("x.toml:2: not valid TOML: ")
    assert "secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"), [(b"a = '\xff'", ":1: not UTF-8"), (b"#" * (MAX_FILE_BYTES + 1), "larger")]
)
def test_files_are_bounded_and_utf8(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "fastgate.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_file(file)


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: can't be read"):
        read_file(tmp_path / "missing.toml")


def filled(text: str, environment: Mapping[str, str]) -> Any:
    document = Document("x.toml", {"a": {"b": [text]}}, {("a",): 7})
    findings = Findings(document)
    done = fill_in(document, environment, findings)
    findings.raise_any()
    return done.values["a"]["b"][0]


@given(texts.filter(lambda text: "${" not in text), texts, texts.filter(lambda text: "}" not in text))
def test_variables_are_filled_in(around: str, value: str, default: str) -> None:
    around = around.rstrip("$")  # a `$` right before `${` would escape it
    assert filled(f"{around}${{NAME}}{around}", {"NAME": value}) == around + value + around
    assert filled(f"${{NAME:-{default}}}", {}) == default
    assert filled(f"${{NAME:-{default}}}", {"NAME": value}) == (value or default)
    assert filled(around, {}) == around


@given(texts)
def test_values_are_never_expanded_again(value: str) -> None:
    assert filled("${A}", {"A": "${B}" + value, "B": "b"}) == "${B}" + value


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$${X}", "${X}"), ("$5", "$5"), ("a$$b", "a$$b"), ("$${${X}}", "${x}"), ("${E:-}", "")],
)
def test_escapes(text: str, expected: str) -> None:
    assert filled(text, {"X": "x", "E": ""}) == expected


@pytest.mark.parametrize(
    ("text", "said"), [("${MISSING}", "MISSING is not set"), ("${", "without"), ("${1}", "without")]
)
def test_missing_variables_are_errors_with_lines(text: str, said: str) -> None:
    with pytest.raises(ConfigErrors, match=said) as caught:
        filled(text, {"OTHER": "secret-value"})
    assert str(caught.value).startswith("x.toml:7: a.b[0]: ")
    assert "secret-value" not in str(caught.value)
