"""JSON Web Tokens as client credentials, over every door, made by another implementation."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Answer, Gateway, chat_body, running
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until
from tests.jwks.tokens import ALGORITHMS, AUDIENCE, Issuer, with_claims

from fastgate._core import MockProvider

ISSUER = "https://id.example.com/"
HOUR_S = 3600


def jwt_table(jwks: str, more: str = 'claims = { tenant = "org", models = "models" }') -> str:
    return (
        f'\n[[auth.jwt]]\nissuer = "{ISSUER}"\naudiences = ["{AUDIENCE}"]\n'
        f'jwks = "{jwks}"\nrefresh = "1h"\n{more}\n'
    )


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer(ISSUER)


@pytest.fixture(scope="module")
def guarded(
    door: str, provider: Upstream, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with deployments, keys, and one issuer whose keys are in a file."""
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "keys.json").write_text(json.dumps(issuer.jwks()))
    config = configuration.named(provider.base_url) + jwt_table(str(folder / "keys.json"))
    with running(door, folder, config) as gateway:
        yield gateway


def chat(gateway: Gateway, token: str, model: str = "chat", header: str = "authorization") -> Answer:
    value = f"Bearer {token}" if header == "authorization" else token
    return gateway.chat(chat_body(model), {header: value})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_is_let_in(guarded: Gateway, upstream: Upstream, issuer: Issuer, algorithm: str) -> None:
    token = issuer.token(algorithm, models=["chat"])
    for _ in range(3):
        answer = chat(guarded, token)
        assert answer.status == 200, answer.body
    assert all(token not in str(seen.headers) for seen in upstream.seen())
    assert len(upstream.seen()) == 3


def test_keys_beside_it_and_the_sdk(guarded: Gateway, upstream: Upstream, issuer: Issuer) -> None:
    assert chat(guarded, KEY).status == 200
    assert chat(guarded, issuer.token(models="chat"), header="x-api-key").status == 200
    with guarded.client(issuer.token(models="chat fast")) as client:
        assert {model.id for model in client.models.list()} == {"chat", "fast"}
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="alpha", messages=[])
    with (
        guarded.client(issuer.token(models="chat", exp=1)) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def test_the_tenant_is_a_wall(guarded: Gateway, upstream: Upstream, issuer: Issuer) -> None:
    token = issuer.token(org="europe", models="fast chat")
    answer = chat(guarded, token, "fast")
    assert answer.error()["code"] == "no_route", "its only deployment is in the us"
    assert chat(guarded, token, "chat").headers["x-fastgate-deployment"] == "beta"


Make = Callable[[Issuer], str]
FOREIGN = Issuer(ISSUER)
WRONG: dict[str, tuple[Make, str]] = {
    "expired": (lambda issuer: issuer.token(models="chat", exp=int(time.time()) - 60), "has expired"),
    "without exp": (lambda issuer: issuer.token(models="chat", exp=None), "`exp` is missing"),
    "not yet": (lambda issuer: issuer.token(models="chat", nbf=int(time.time()) + HOUR_S), "not valid yet"),
    "audience": (lambda issuer: issuer.token(models="chat", aud="another"), "another audience"),
    "no audience": (lambda issuer: issuer.token(models="chat", aud=None), "another audience"),
    "issuer": (
        lambda issuer: issuer.token(models="chat", iss="https://else.example.com/"),
        "API key is unknown",
    ),
    "tenant": (lambda issuer: issuer.token(models="chat", org="nobody"), "`org` names no tenant"),
    "default tenant": (lambda issuer: issuer.token(models="chat", org="default"), "`org` names no tenant"),
    "no tenant": (lambda issuer: issuer.token(models="chat", org=None), "`org` is missing"),
    "no models": (lambda issuer: issuer.token(), "`models` is missing"),
    "none": (lambda issuer: issuer.unsigned(models="chat"), "algorithm that is not accepted"),
    "None": (lambda issuer: issuer.unsigned("None", models="chat"), "algorithm that is not accepted"),
    "unsigned": (lambda issuer: issuer.unsigned("RS256", models="chat"), "signature does not hold"),
    "HS256": (lambda issuer: issuer.signed_with_public_key_as_secret(), "algorithm that is not accepted"),
    "other key": (
        lambda issuer: FOREIGN.token("EdDSA", {"kid": issuer.kid("EdDSA")}, models="chat"),
        "signature does not hold",
    ),
    "key of another kind": (
        lambda issuer: FOREIGN.token("RS256", {"kid": issuer.kid("ES256")}),
        "key that its issuer",
    ),
    "tampered": (
        lambda issuer: with_claims(issuer.token(), issuer.claims(models="chat", sub="admin")),
        "signature does not hold",
    ),
    "cut": (lambda issuer: issuer.token("RS256", models="chat")[:-4], "signature does not hold"),
    "unknown kid": (
        lambda issuer: FOREIGN.token("ES256", {"kid": "new"}),
        "key that its issuer does not publish",
    ),
    "huge": (lambda issuer: issuer.token(models="chat", filler="x" * 9000), "longer than 8192 bytes"),
    "garbage": (lambda issuer: "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiI.x", "API key is unknown"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_anything_else_is_refused(guarded: Gateway, upstream: Upstream, issuer: Issuer, case: str) -> None:
    make, message = WRONG[case]
    token = make(issuer)
    for _ in range(2):
        answer = chat(guarded, token)
        assert (answer.status, answer.error()["code"]) == (401, "invalid_api_key"), answer.body
        assert message in answer.error()["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert not any(piece.encode() in answer.body for piece in token.split(".") if len(piece) > 8)
    assert upstream.seen() == []
    assert chat(guarded, issuer.token(models="chat")).status == 200


class Keys:
    """A server that publishes an issuer's keys, or is down."""

    def __init__(self) -> None:
        self.mock = MockProvider()
        self.url = f"http://{self.mock.address}/keys"

    def publish(self, document: dict[str, Any] | None) -> None:
        answer = {"status": 500} if document is None else {"body": document}
        self.mock.set_script(json.dumps({"defaults": answer}))


@pytest.fixture
def keys() -> Iterator[Keys]:
    keys = Keys()
    yield keys
    keys.mock.stop()


@pytest.fixture
def tokens_only(door: str, start: Start, upstream: Upstream, keys: Keys) -> Callable[[], Gateway]:
    """Starts a gateway that has an issuer and not one key."""
    config = configuration.keyless(upstream.base_url) + jwt_table(keys.url, 'default_tenant = "default"')
    return lambda: start(door, config, key=None)


def test_rotation(tokens_only: Callable[[], Gateway], keys: Keys) -> None:
    issuer = Issuer(ISSUER)
    keys.publish(issuer.jwks("ES256"))
    gateway = tokens_only()
    old = issuer.token()
    assert chat(gateway, old).status == 200
    assert chat(gateway, issuer.token("ES256", {})).status == 200, "one key needs no name"
    issuer.rotate()
    keys.publish(issuer.jwks("ES256"))
    new = issuer.token()
    assert chat(gateway, new).status == 401
    until(lambda: chat(gateway, new).status == 200, "the new key")
    # The old key is gone, and with it what was remembered of tokens that it signed.
    assert chat(gateway, old).status == 401
    asked = len(keys.mock.requests())
    for kid in range(20):
        assert chat(gateway, issuer.token("ES256", {"kid": str(kid)})).status == 401
    assert len(keys.mock.requests()) == asked, "guesses do not make the gateway ask"


def test_without_a_credential_nobody_is_let_in(tokens_only: Callable[[], Gateway], keys: Keys) -> None:
    issuer = Issuer(ISSUER)
    keys.publish(issuer.jwks())
    gateway = tokens_only()
    for headers in ({}, {"authorization": "Bearer anything"}):
        assert gateway.chat(chat_body(), headers).status == 401
    assert chat(gateway, issuer.token()).status == 200


def test_an_issuer_that_is_down_at_the_start_and_later(
    tokens_only: Callable[[], Gateway], keys: Keys
) -> None:
    issuer = Issuer(ISSUER)
    keys.publish(None)
    gateway = tokens_only()
    token = issuer.token()
    answer = chat(gateway, token)
    assert answer.status == 401
    assert "keys of this token's issuer are not available" in answer.error()["message"]
    assert "answered 500; its tokens are refused until then" in gateway.log()
    keys.publish(issuer.jwks())
    until(lambda: chat(gateway, token).status == 200, "the issuer's keys")
    keys.publish(None)
    asked = len(keys.mock.requests())
    assert chat(gateway, issuer.token("ES256", {"kid": "unknown"})).status == 401
    until(lambda: len(keys.mock.requests()) > asked, "the unknown key to be asked for", within_s=15)
    until(lambda: "the keys from before stay" in gateway.log(), "a log line")
    assert chat(gateway, issuer.token()).status == 200


def test_an_issuer_that_is_edited_in_and_out(
    door: str, start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    issuer = Issuer(ISSUER)
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(issuer.jwks()))
    with_keys = configuration.open_provider(upstream.base_url)
    gateway = start(door, with_keys)
    token = issuer.token()
    assert chat(gateway, token).status == 401
    gateway.configure(with_keys + jwt_table(str(file), 'claims = { tenant = "org" }'))
    until(lambda: chat(gateway, token).status == 200, "the issuer")
    gateway.configure(with_keys)
    until(lambda: chat(gateway, token).status == 401, "the issuer's removal")
    assert chat(gateway, KEY).status == 200
