"""Who may do what on the admin API."""

import hashlib

import pytest

from fastgate.admin.access import Caller, Request, Role, Token, identify, require, tokens_of, without_port
from fastgate.admin.answers import Refused
from fastgate.config import load_text
from fastgate.keys import digest

TOKENS = tuple(
    Token(name, role, hashlib.sha256(name.encode()).digest())
    for name, role in (("eve", Role.viewer), ("alice", Role.operator), ("root", Role.admin))
)
LISTENER = "10.1.2.3:8081"
LOCAL = {b"host": b"127.0.0.1:8081"}


def request(
    headers: dict[bytes, bytes] | None = None, *, client: str | None = "127.0.0.1", token: str | None = None
) -> Request:
    found = {**LOCAL, **(headers or {})}
    if token is not None:
        found[b"authorization"] = f"Bearer {token}".encode()
    return Request("GET", "/admin/status", tuple(found.items()), client)


def code(asked: Request, tokens: tuple[Token, ...] = TOKENS) -> str | None:
    """Why the request is refused; None if it is let in."""
    try:
        identify(asked, tokens, LISTENER)
    except Refused as refused:
        return refused.code
    return None


def test_reading_on_this_machine_takes_no_token() -> None:
    for client in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert identify(request(client=client), TOKENS, LISTENER) == Caller()
    assert code(request(), ()) is None


@pytest.mark.parametrize("client", ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", None, "not an address"])
def test_from_elsewhere_everything_takes_a_token(client: str | None) -> None:
    assert code(request(client=client)) == "token_needed"
    assert code(request(client=client), ()) == "no_tokens"
    assert identify(request(client=client, token="eve"), TOKENS, LISTENER) == Caller("eve", Role.viewer)


@pytest.mark.parametrize("header", [b"forwarded", b"x-forwarded-for", b"x-real-ip", b"cf-connecting-ip"])
def test_a_proxy_on_this_machine_speaks_for_somebody_else(header: bytes) -> None:
    assert code(request({header: b"10.0.0.1"})) == "token_needed"
    assert code(request({header: b"10.0.0.1"}, token="eve")) is None


@pytest.mark.parametrize(
    "authorization", [b"Bearer nobody", b"Bearer ", b"Bearer", b"Basic ZXZlOg==", b"eve", b"Bearer EVE"]
)
def test_a_wrong_token_is_refused_even_where_none_is_needed(authorization: bytes) -> None:
    with pytest.raises(Refused) as refused:
        identify(request({b"authorization": authorization}), TOKENS, LISTENER)
    assert (refused.value.status, refused.value.code) == (401, "invalid_token")
    assert dict(refused.value.headers)[b"www-authenticate"].startswith(b"Bearer")
    assert code(request({b"authorization": authorization}), ()) == "invalid_token"


def test_how_a_token_may_be_written() -> None:
    for authorization in (b"bearer eve", b"BEARER  eve ", b"Bearer eve"):
        assert code(request({b"authorization": authorization})) is None


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        (b"localhost", None),
        (b"LOCALHOST:8081", None),
        (b"[::1]:8081", None),
        (b"::1", None),
        (b"127.0.0.1", None),
        (b"10.1.2.3:8081", None),
        (b"10.1.2.4:8081", "host_not_allowed"),
        (b"evil.example:8081", "host_not_allowed"),
        (b"localhost.evil.example", "host_not_allowed"),
        (b"", "host_not_allowed"),
    ],
)
def test_a_page_can_not_lead_its_own_name_here(host: bytes, refused: str | None) -> None:
    assert code(request({b"host": host})) == refused
    assert code(request({b"host": host}, token="eve")) is None, "a token no page has"


@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        (b"http://localhost:3000", None),
        (b"http://127.0.0.1:8081", None),
        (b"https://evil.example", "origin_not_allowed"),
        (b"http://localhost.evil.example", "origin_not_allowed"),
        (b"null", "origin_not_allowed"),
        (b"", "origin_not_allowed"),
        (b"evil.example", "origin_not_allowed"),
    ],
)
def test_pages_of_other_origins_may_not_ask(origin: bytes, refused: str | None) -> None:
    assert code(request({b"origin": origin})) == refused
    assert code(request({b"origin": origin}, token="alice")) == refused


def test_the_gateways_own_pages_may_ask_with_a_token() -> None:
    own = {b"origin": b"https://gateway.internal", b"host": b"gateway.internal"}
    assert code(request(own, client="10.0.0.1", token="alice")) is None
    assert code(request(own)) == "host_not_allowed", "a name that was made to lead here has the same Origin"


def test_each_role_includes_the_ones_before() -> None:
    for role in Role:
        for needed in Role:
            caller = Caller("somebody", role)
            if role >= needed:
                require(caller, needed, TOKENS)
            else:
                with pytest.raises(Refused) as refused:
                    require(caller, needed, TOKENS)
                assert (refused.value.status, refused.value.code) == (403, "role_too_low")


def test_changes_take_a_token_everywhere() -> None:
    require(Caller(), Role.viewer, TOKENS)
    with pytest.raises(Refused) as refused:
        require(Caller(), Role.operator, TOKENS)
    assert (refused.value.status, refused.value.code) == (401, "token_needed")
    with pytest.raises(Refused, match="fastgate keys create --admin") as refused:
        require(Caller(), Role.operator, ())
    assert (refused.value.status, refused.value.code) == (403, "no_tokens")


def test_tokens_come_from_the_configuration() -> None:
    one, two = digest("one"), digest("two").upper().replace("SHA256", "sha256")
    text = (
        '[providers.x]\nbase_url = "http://x"\n'
        f'[[admin.tokens]]\ndigest = "{one}"\nrole = "viewer"\nname = "eve"\n'
        f'[[admin.tokens]]\ndigest = "{two}"\nrole = "admin"\n'
    )
    found = tokens_of(load_text(text, {}).settings)
    assert found[0] == Token("eve", Role.viewer, hashlib.sha256(b"one").digest())
    assert found[1] == Token(digest("two")[7:19], Role.admin, hashlib.sha256(b"two").digest())


def test_no_text_of_a_token_is_in_what_is_kept() -> None:
    assert "alice-secret" not in repr(Token("alice", Role.viewer, hashlib.sha256(b"alice-secret").digest()))


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("a:1", "a"),
        ("A", "a"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("a:b", "a:b"),
        ("a:", "a"),
        ("", ""),
    ],
)
def test_hosts_without_ports(authority: str, host: str) -> None:
    assert without_port(authority) == host
