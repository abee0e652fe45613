"""`fastgate keys create --admin`: a token, shown once, and the lines that let it in."""

import hashlib
import io
import sys
import tomllib
from pathlib import Path

import pytest

from fastgate.admin.access import Role, Token, tokens_of
from fastgate.cli import main
from fastgate.config import load_text
from fastgate.keys import ADMIN_PREFIX, digest, generate_key, has_valid_checksum


def run(*arguments: str) -> int:
    try:
        return main(("keys", *arguments))
    except SystemExit as end:
        return int(end.code or 0)


def test_a_token_is_printed_once_with_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("create", "--admin", "--name", 'alice "ops"') == 0
    out = capsys.readouterr().out
    token = out.splitlines()[0]
    assert token.startswith(ADMIN_PREFIX)
    assert has_valid_checksum(token)
    assert out.count(token) == 1
    text = '[providers.x]\nbase_url = "http://x"\n' + out.partition("\n")[2]
    (found,) = tokens_of(load_text(text, {}).settings)
    assert found == Token('alice "ops"', Role.operator, hashlib.sha256(token.encode()).digest())


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_its_role_may_be_chosen(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("create", "--admin", "--role", role) == 0
    assert f'role = "{role}"' in capsys.readouterr().out
    assert run("create", "--admin", "--role", "king") == 2


def test_what_keys_have_tokens_have_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("create", "--admin", "--tenant", "acme", "--user", "u") == 1
    assert "an admin token has no --tenant, --user" in capsys.readouterr().err
    assert run("create", "--role", "viewer") == 1
    assert "add --admin" in capsys.readouterr().err


def test_a_token_is_verified_as_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = generate_key(bytes(range(32)), prefix=ADMIN_PREFIX)
    monkeypatch.setattr(sys, "stdin", io.StringIO(token + "\n"))
    assert run("verify") == 0
    assert capsys.readouterr().out == f"intact fastgate admin token\n{digest(token)}\n"


def test_a_table_may_be_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.toml").write_text("[server]\n")
    for name in ("one", "two"):
        assert run("create", "--admin", "--name", name, "--append", "f.toml") == 0
    tokens = tomllib.loads(Path("f.toml").read_text())["admin"]["tokens"]
    assert [entry["digest"] for entry in tokens] == [
        digest(token) for token in capsys.readouterr().out.split()
    ]
