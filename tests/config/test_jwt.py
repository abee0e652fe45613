"""`[auth.jwt]`: the one-table form, what is refused, and what the engine gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from fastgate import _core
from fastgate.config import compile_tables, load_text
from fastgate.errors import ConfigError

BASE = """
[providers.x]
base_url = "http://127.0.0.1:9"
[tenants.acme]
[tenants.zoo]
"""
GOOD = {"issuer": '"https://id.example.com"', "audiences": '["a"]', "default_tenant": '"default"'}


def text(header: str = "[auth.jwt]", **changes: str) -> str:
    fields = {**GOOD, **changes}
    return BASE + header + "".join(f"\n{name} = {value}" for name, value in fields.items() if value) + "\n"


def issuers(config: str, file: Path = Path("fastgate.toml")) -> list[dict[str, Any]]:
    document = compile_tables(load_text(config, {}, file=str(file)))
    _core.check_tables(document)
    found: list[dict[str, Any]] = json.loads(document)["jwt_issuers"]
    return found


def test_defaults() -> None:
    assert issuers(text()) == [
        {
            "issuer": "https://id.example.com",
            "audiences": ["a"],
            "algorithms": ["RS256", "PS256", "ES256", "EdDSA"],
            "leeway_s": 30,
            "required": [],
            "tenant_claim": None,
            "tenants": {"acme": 1, "zoo": 2},
            "default_tenant": 0,
            "user_claim": "sub",
            "feature_claim": None,
            "models_claim": None,
        }
    ]


def test_everything_set_and_several_issuers() -> None:
    second = text(
        "[[auth.jwt]]",
        issuer='"other"',
        jwks='"http://[::1]:8000/keys"',
        algorithms='["EdDSA"]',
        leeway='"1s"',
        refresh='"1d"',
        claims='{ tenant = "org", user = "email", feature = "app", models = "models" }',
        tenants='{ "42" = "zoo", "43" = "default" }',
        default_tenant="",
        required='["scope"]',
    ).removeprefix(BASE)
    _, found = issuers(text("[[auth.jwt]]") + second)
    assert found == {
        "issuer": "other",
        "audiences": ["a"],
        "algorithms": ["EdDSA"],
        "leeway_s": 1,
        "required": ["scope"],
        "tenant_claim": "org",
        "tenants": {"42": 2, "43": 0},
        "default_tenant": None,
        "user_claim": "email",
        "feature_claim": "app",
        "models_claim": "models",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"algorithms": '["HS256"]'}, 'algorithms[0]: must be "RS256" or'),
        ({"algorithms": '["none"]'}, 'algorithms[0]: must be "RS256" or'),
        ({"algorithms": "[]"}, "algorithms: must not be empty"),
        ({"audiences": "[]"}, "audiences: must not be empty"),
        ({"audiences": ""}, "audiences: is required"),
        ({"issuer": '"http://id.example.com"'}, "jwks: is required"),
        ({"jwks": '"http://id.example.com/keys"'}, "jwks: must be an https:// URL"),
        ({"jwks": '"file:///etc/keys"'}, "jwks: must be an https:// URL"),
        ({"jwks": '"missing.json"'}, "jwks: can't be read"),
        ({"ca_file": '"missing.pem"'}, "ca_file: can't be read"),
        ({"leeway": '"6m"'}, "leeway: must be between 1s and 5m"),
        ({"leeway": '"1500ms"'}, "leeway: must be between 1s and 5m"),
        ({"refresh": '"500ms"'}, "refresh: must be between 1s and 1d"),
        ({"default_tenant": ""}, "says nothing about who pays"),
        ({"default_tenant": '"acne"'}, 'default_tenant: no such tenant (did you mean "acme"?)'),
        ({"tenants": '{ x = "acne" }'}, 'tenants.x: no such tenant (did you mean "acme"?)'),
        ({"claims": '{ tenant = "" }'}, "claims.tenant: must be text of 1 to 256"),
        ({"secret": '"s"'}, "secret: unknown setting"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text(**changes), {})
    assert said in str(caught.value)


def test_an_issuer_once() -> None:
    with pytest.raises(ConfigError, match="the same issuer twice"):
        load_text(text("[[auth.jwt]]") + text("[[auth.jwt]]").removeprefix(BASE), {})


def test_tokens_count_as_keys_beyond_loopback() -> None:
    exposed = '[server]\nlisten = "0.0.0.0:8080"\n'
    with pytest.raises(ConfigError, match="needs"):
        load_text(exposed + BASE, {})
    assert not load_text(exposed + text(), {}).settings.is_keyless
